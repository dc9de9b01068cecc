"""Question: what is asked, as far as words tell: named concepts, kinds of resources, time, and whether it needs the record at all.

Pure; the vocabulary is terminology.lay and the small tables here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from ai_layer.timewords import MONTHS, TimeSpan, time_span
from terminology import lay
from terminology.lay_search import STOP_WORDS
from terminology.text import fold

TYPE_WORDS: dict[str, tuple[str, ...]] = {
    "MedicationRequest": (
        "medicine",
        "medicines",
        "medication",
        "medications",
        "drug",
        "drugs",
        "pill",
        "pills",
        "prescription",
        "prescriptions",
        "medicament",
        "medicaments",
        "ordonnance",
        "ordonnances",
        "pilule",
        "pilules",
        "traitement",
    ),
    "Condition": (
        "condition",
        "conditions",
        "diagnosis",
        "diagnoses",
        "disease",
        "diseases",
        "illness",
        "illnesses",
        "problem",
        "problems",
        "diagnostic",
        "diagnostics",
        "maladie",
        "maladies",
        "problemes",
    ),
    "AllergyIntolerance": ("allergy", "allergies", "allergic", "allergie", "allergique", "intolerance"),
    "Immunization": (
        "vaccine",
        "vaccines",
        "vaccinated",
        "vaccination",
        "vaccinations",
        "shot",
        "shots",
        "immunization",
        "immunizations",
        "jab",
        "vaccin",
        "vaccins",
        "vaccine",
    ),
    "Procedure": (
        "procedure",
        "procedures",
        "surgery",
        "surgeries",
        "operation",
        "operations",
        "operated",
        "chirurgie",
        "intervention",
        "interventions",
    ),
    "DiagnosticReport": ("report", "reports", "panel", "panels", "rapport", "rapports", "compte", "bilan"),
    "Observation": (
        "results",
        "result",
        "lab",
        "labs",
        "tests",
        "measurement",
        "measurements",
        "vitals",
        "resultat",
        "resultats",
        "analyse",
        "analyses",
    ),
}
_KIND_OF = {word: kind for kind, words in TYPE_WORDS.items() for word in words}
_FILLER = frozenset(
    [
        "take",
        "taking",
        "taken",
        "took",
        "get",
        "got",
        "getting",
        "give",
        "given",
        "show",
        "list",
        "latest",
        "recent",
        "current",
        "currently",
        "active",
        "now",
        "today",
        "ever",
        "never",
        "still",
        "please",
        "know",
        "want",
        "need",
        "see",
        "look",
        "tell",
        "explain",
        "normal",
        "ok",
        "okay",
        "good",
        "bad",
        "better",
        "worse",
        "trend",
        "change",
        "changed",
        "changing",
        "since",
        "before",
        "after",
        "last",
        "first",
        "over",
        "time",
        "year",
        "years",
        "month",
        "months",
        "week",
        "weeks",
        "day",
        "days",
        "year's",
        "past",
        "during",
        "between",
        "history",
        "there",
        "their",
        "they",
        "them",
        "been",
        "being",
        "record",
        "records",
        "chart",
        "health",
        "doctor",
        "medical",
        "patient",
        "please",
        "anything",
        "something",
        "everything",
        "all",
        "many",
        "much",
        "more",
        "most",
        "has",
        "he",
        "she",
        "it",
        "we",
        "us",
        "prends",
        "prendre",
        "pris",
        "dernier",
        "derniere",
        "derniers",
        "dernieres",
        "depuis",
        "avant",
        "apres",
        "pendant",
        "quand",
        "combien",
        "dossier",
        "medecin",
        "tous",
        "toutes",
        "tout",
        "actuel",
        "actuelle",
        "actuels",
        "actuelles",
        "jamais",
        "encore",
        "evolution",
        "tendance",
        "normale",
        "normal",
        "donne",
        "montre",
        "liste",
        "liste-moi",
        "will",
        "would",
        "should",
        "going",
        "go",
        "went",
        "up",
        "down",
        "happened",
        "happen",
        "start",
        "started",
        "begin",
        "began",
        "when",
        "where",
        "who",
        "whom",
        "why",
        "which",
        "find",
        "found",
        "done",
        "having",
        "value",
        "values",
        "number",
        "numbers",
        "figure",
        "figures",
        "rate",
        "rates",
        "reading",
        "readings",
        "measure",
        "measured",
        "check",
        "checked",
        "taux",
        "valeur",
        "valeurs",
        "mesure",
        "suis",
        "etes",
        "sommes",
        "for",
        "with",
        "without",
        "from",
        "into",
        "than",
        "then",
        "also",
        "too",
        "any",
        "some",
        "not",
        "no",
        "yes",
        "hi",
        "hello",
        "thanks",
        "thank",
    ]
)
_DEFINITION = re.compile(
    r"^(?:what(?:'s| is| are| does| do)|que (?:veut dire|signifie)|qu'est[- ]ce qu[e'](?: c'est que)?|c'est quoi|define|explain what)\b"
)
_OWN = re.compile(r"\b(?:my|mine|i|me|i'm|i've|am|mon|ma|mes|je|j'ai|j|moi)\b")
_MEANS = re.compile(r"\b(?:mean|means|meaning|veut dire|signifie|definition|define|stands? for)\b")


_PAST = re.compile(
    r"\b(?:ever|all|past|history|stopped|previous|before|used to|did|had|were|jamais|tous|toutes|anciens?|arretes?)\b"
)


@dataclass(frozen=True, slots=True)
class Question:
    """`concepts`: entries that it names; `words`: what it speaks of beside them; `types`: kinds of resources that it names."""

    text: str
    language: str
    concepts: tuple[lay.LayEntry, ...]
    words: tuple[str, ...]
    types: tuple[str, ...]
    time: TimeSpan
    is_definition: bool

    @property
    def codes(self) -> list[str]:
        """Codes of the named concepts."""
        return [c.code for entry in self.concepts for c in entry.codings if c.code]

    @property
    def names(self) -> list[str]:
        """Names of the named concepts, as passages have them."""
        return [entry.name_in("en").lower() for entry in self.concepts]

    @property
    def asks_for_the_past(self) -> bool:
        """`ever`, `all`, `in 2019`: what is over counts as well as what goes on."""
        return (
            bool(_PAST.search(fold(self.text))) or self.time.since is not None or self.time.until is not None
        )

    @property
    def lists_a_kind(self) -> bool:
        """It asks for everything of a kind (`my medicines`), not for one thing."""
        return bool(self.types) and not self.concepts and not self.words


def understand(text: str, language: str, now: datetime) -> Question:
    """What the words tell."""
    folded = fold(text)
    tokens = re.findall(r"[a-z0-9%][a-z0-9%'\-]*", folded)
    types = tuple(dict.fromkeys(_KIND_OF[t] for t in tokens if t in _KIND_OF))
    concepts = lay.find_term(_without_kinds(folded), language)
    used = _used(concepts, language)
    words = tuple(t for t in dict.fromkeys(tokens) if _says_something(t) and t not in used)
    asks_meaning = bool(_MEANS.search(folded)) or bool(_DEFINITION.match(folded))
    found = Question(text, language, concepts, words, types, time_span(text, now), False)
    return replace(found, is_definition=asks_meaning and bool(concepts) and not _OWN.search(folded))


def _without_kinds(folded: str) -> str:
    """`vaccine` alone names a kind; inside `flu vaccine` it belongs to the name, so only lone words go."""
    words = folded.split()
    return folded if len([w for w in words if _says_something(w.strip("?.,!"))]) else ""


def _says_something(token: str) -> bool:
    bare = token.strip("'-")
    return (
        len(bare) > 2
        and bare not in STOP_WORDS
        and bare not in _FILLER
        and bare not in _KIND_OF
        and bare not in MONTHS
        and not bare.isdigit()
    )


def _used(concepts: tuple[lay.LayEntry, ...], language: str) -> frozenset[str]:
    names = [name for entry in concepts for each in ("en", language) for name in lay.synonyms(entry, each)]
    names += [word for entry in concepts if entry.drug for word in entry.drug.words]
    return frozenset(word for name in names for word in fold(name).split())
