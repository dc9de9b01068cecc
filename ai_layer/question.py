"""Question: what is asked, as far as words tell: named concepts, groups of medicines, kinds of resources, time, and whether it needs the
record at all.

Pure; the vocabulary is terminology.lay, terminology.purposes and words.json. Misspelt words are read as what they sound like, and a question
may be in French whatever language the answer is to be in.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib import resources

from ai_layer.timewords import MONTHS, TimeSpan, time_span
from terminology import lay, purposes
from terminology.lay_search import STOP_WORDS, exact_matches, terms
from terminology.spelling import Speller
from terminology.text import fold

MEDICINE, ALLERGY = "MedicationRequest", "AllergyIntolerance"
TYPES_OF: dict[lay.Kind, tuple[str, ...]] = {
    lay.Kind.LAB: ("Observation", "DiagnosticReport"),
    lay.Kind.VITAL: ("Observation", "DiagnosticReport"),
    lay.Kind.PANEL: ("DiagnosticReport", "Observation"),
    lay.Kind.CONDITION: ("Condition",),
    lay.Kind.MEDICATION: (MEDICINE, ALLERGY),
    lay.Kind.PROCEDURE: ("Procedure",),
    lay.Kind.IMMUNIZATION: ("Immunization",),
    lay.Kind.ALLERGEN: (ALLERGY,),
}
"""Where in a record the name of an entry may stand: potassium in `losartan potassium` is no result."""
_DEFINITION = re.compile(
    r"^(?:what(?: s| is| are| does| do)|que (?:veut dire|signifie)|qu est ce qu[e ](?: c est que)?|c est quoi|define|explain what)\b"
)
_OWN = re.compile(r"\b(?:my|mine|i|me|am|mon|ma|mes|je|j|moi)\b")
_MEANS = re.compile(r"\b(?:mean|means|meaning|veut dire|signifie|definition|define|stands? for)\b")
_PAST = re.compile(
    r"\b(?:ever|all|past|history|stopped|stop taking|previous|previously|before|used to|did|had|were|was|jamais|tous|toutes|anciens?|anciennes?|arretes?)\b"
)
_OVER = re.compile(r"\b(?:stopped|used to|no longer|former|previous|old|arretes?|anciens?|anciennes?)\b")
_TAKEN_FOR = re.compile(
    r"\b(?:take|taking|took|taken|prescribed|given|inject|injecting|breathe in|am i on|on|prends|prendre|pris|donne|prescrit)\b"
    r".{0,30}\b(?:for|against|pour|contre)\b"
)
_AGAINST_ALLERGY = re.compile(r"\b(?:for|against|pour|contre)\b.{0,15}\ballerg")
_ADVICE = re.compile(
    r"\b(?:should i|shall i|can i|could i|may i|must i|do i need to|do i have to|is it (?:ok|okay|safe|fine)|am i allowed)\b.*"
    r"\b(?:take|taking|stop|stopping|skip|skipping|change|changing|start|starting|increase|reduce|double|halve|lower|raise|switch|mix|drink|use|eat|drive|fly|exercise)\b"
    r"|\b(?:how (?:much|many)|what dose|which dose|quelle dose|combien de)\b.*\b(?:should|take|dois|prendre|safe)\b|\bdose should\b"
    r"|\b(?:do i have|could i have|might i have|is it|is this|am i getting|ai je|est ce que j ai|est ce)\b.*\b(?:cancer|serious|dangerous|normal for me|grave|dangereux)\b"
    r"|\b(?:what is wrong with me|diagnose me|what s wrong with me|why do i feel|will i die|how long will i live)\b"
    r"|\b(?:dois je|puis je|devrais je|est ce que je (?:peux|dois))\b.*\b(?:prendre|arreter|changer|doubler|augmenter|diminuer|sauter|boire|commencer)\b"
)
_FOLLOWS = re.compile(r"^(?:and|et|what about|how about|also|then|ok|so|but|mais|puis|alors)\b")
_EARLIER = re.compile(
    r"\b(?:before that|before then|the one before|previous one|prior to that|earlier one|avant (?:cela|ca)|celui d avant|celle d avant|la precedente|le precedent)\b"
)
_ANCHOR = re.compile(
    r"\b(before|after|since|avant|apres|depuis) (?:my |the |l |la |mon |ma |cette |this |that )(.+)$"
)
_SURGERY = r"\m(surgery|surgical|operation|bypass|replacement|implantation|excision|extraction|incision|removal of|\w+ectomy)"
"""What a record calls an operation, for `before the operation`."""
_OTHERS = re.compile(
    r"\bpatient/[\w.-]+|\b(?:my|mon|ma) (?:mother|mom|mum|father|dad|wife|husband|son|daughter|brother|sister|friend|partner|child|neighbou?r|boss"
    r"|mere|pere|femme|mari|fils|fille|frere|soeur|ami|amie|enfant|voisine?)\b|\b(?:his|her|their)\b"
)
_FULL_NAME = re.compile(
    r"\b(?:of|for|about|does|did|is|has|de|pour)\s+((?:[A-Z][a-zà-ÿ'’]+\s+){1,2}[A-Z][\w'’-]+)"
)
_FRENCH = re.compile(
    r"\b(?:mon|ma|mes|le|la|les|du|des|est|quels?|quelles?|je|ai|pour|au|aux|dans|combien|comment|contre|mal|et|sont|suis|un|une)\b"
)
_ENGLISH = re.compile(
    r"\b(?:my|the|is|are|what|which|when|how|do|did|have|i|am|for|of|in|and|was|were|any|to|on|it|last|a|an)\b"
)


@dataclass(frozen=True, slots=True)
class Anchor:
    """An event of the record that bounds the time: `before the operation`. `codes` of the event; none for any operation."""

    side: str
    codes: tuple[str, ...] = ()
    pattern: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """`concepts`: entries that it names; `classes`: of medicines; `words`: what it speaks of beside them; `types`: kinds that it names."""

    text: str
    language: str
    concepts: tuple[lay.LayEntry, ...]
    words: tuple[str, ...]
    types: tuple[str, ...]
    time: TimeSpan
    is_definition: bool
    classes: tuple[str, ...] = ()
    anchor: Anchor | None = None

    @property
    def speaks_of_another(self) -> bool:
        """Somebody else is named: the answer is still of this record alone, and says so."""
        return bool(_OTHERS.search(self.text.lower())) or bool(_FULL_NAME.search(self.text))

    @property
    def codes(self) -> list[str]:
        """Codes of the named concepts."""
        return [c.code for entry in self.concepts for c in entry.codings if c.code]

    @property
    def code_groups(self) -> list[int]:
        """For each of `codes`, which concept it belongs to."""
        return [n for n, entry in enumerate(self.concepts) for c in entry.codings if c.code]

    @property
    def names(self) -> list[tuple[str, str]]:
        """Names of the concepts and of the classes, as passages have them, with the type that they count in."""
        named = [
            (entry.name_in("en").lower(), kind) for entry in self.concepts for kind in TYPES_OF[entry.kind]
        ]
        kind = ALLERGY if ALLERGY in self.types and MEDICINE not in self.types else MEDICINE
        return named + [(f" {name.replace('-', ' ')}", kind) for name in self.classes]

    @property
    def meaning(self) -> str:
        """What is embedded: the question, and the English names of what it names."""
        names = [entry.name_in("en") for entry in self.concepts]
        return ". ".join([self.text, *names, *(name.replace("-", " ") for name in self.classes[:3])])

    @property
    def related(self) -> list[str]:
        """Codes of entries of the same field (kidney, thyroid) as those named."""
        fields = {entry.category for entry in self.concepts if entry.kind != lay.Kind.MEDICATION} - UNRELATED
        return [
            c.code for entry in lay.entries() if entry.category in fields for c in entry.codings if c.code
        ]

    @property
    def asks_for_the_past(self) -> bool:
        """`ever`, `all`, `in 2019`: what is over counts as well as what goes on."""
        return (
            bool(_PAST.search(fold(self.text))) or self.time.since is not None or self.time.until is not None
        )

    @property
    def asks_for_advice(self) -> bool:
        """`Should I stop my medicine?`: the record cannot answer that, a clinician can."""
        return bool(_ADVICE.search(fold(self.text)))

    @property
    def asks_for_what_was_before(self) -> bool:
        """`And before that?`: the result before the latest."""
        return bool(_EARLIER.search(fold(self.text)))

    @property
    def asks_for_what_is_over(self) -> bool:
        """`medicines that I stopped`."""
        return bool(_OVER.search(fold(self.text)))

    @property
    def lists_a_kind(self) -> bool:
        """It asks for everything of a kind (`my medicines`), not for one thing."""
        return bool(self.types) and not self.concepts and not self.words and not self.classes


TREATMENTS = frozenset([lay.Kind.MEDICATION, lay.Kind.PROCEDURE])
UNRELATED = frozenset(
    ["general", "heart", "symptom", "injuries", "infection", "care", "vaccine", "daily life"]
)
"""Fields too wide for one thing in them to speak of another."""


def understand(text: str, language: str, now: datetime) -> Question:
    """What the words tell."""
    folded = fold(text)
    spoken = "fr" if language.startswith("fr") or _is_french(folded) else "en"
    whole = [_speller(spoken).read(token) for token in folded.split()]
    anchor, tokens = _anchor(whole, spoken)
    read = " ".join(tokens)
    types = _types(tokens, read)
    classes = _classes(tokens, types)
    concepts = _concepts(tokens, spoken, bool(classes))
    used = _used(concepts, spoken) | (frozenset(purposes.vocabulary()) if classes else frozenset())
    words = tuple(t for t in dict.fromkeys(tokens) if _says_something(t) and t not in used)
    found = Question(text, language, concepts, words, types, time_span(read, now), False, classes, anchor)
    asks_meaning = bool(_MEANS.search(folded)) or bool(_DEFINITION.match(folded))
    return replace(
        found,
        is_definition=asks_meaning
        and bool(concepts)
        and not _OWN.search(folded)
        and not found.speaks_of_another,
    )


def _anchor(tokens: list[str], spoken: str) -> tuple[Anchor | None, list[str]]:
    """The event that bounds the time, and the words without it."""
    match = _ANCHOR.search(" ".join(tokens))
    if match is None:
        return None, tokens
    rest, kinds = match[2].split(), _words()[0]
    events = [e for e in exact_matches(rest, spoken) if e.kind in (lay.Kind.PROCEDURE, lay.Kind.CONDITION)]
    is_operation = any(kinds.get(word) == "Procedure" for word in rest)
    if not events and not is_operation:
        return None, tokens
    side = "until" if match[1] in ("before", "avant") else "since"
    codes = tuple(c.code for event in events for c in event.codings)
    return Anchor(side, codes, "" if codes else _SURGERY), " ".join(tokens)[: match.start()].split()


def understand_after(text: str, previous: str, language: str, now: datetime) -> Question:
    """A question that follows another: what it leaves open is what the one before spoke of; what it says itself counts."""
    asked, before = (
        understand(text, language, now),
        understand(previous, language, now) if previous.strip() else None,
    )
    names_nothing = not (asked.concepts or asked.classes or asked.types or asked.words)
    folded = fold(text)
    has_time = asked.time.since or asked.time.until or asked.time.wants != "latest"
    follows = bool(has_time) or "?" in text or bool(_FOLLOWS.search(folded))
    is_open = (names_nothing and follows) or (_EARLIER.search(folded) and not asked.concepts)
    if before is None or not is_open:
        return asked
    return replace(
        before, text=f"{previous} {text}", time=asked.time if has_time else before.time, is_definition=False
    )


def _types(tokens: list[str], read: str) -> tuple[str, ...]:
    """Kinds of resources that are named; what is taken for something is a medicine, what must be avoided for an allergy none."""
    kinds = _words()[0]
    found = dict.fromkeys(kinds[t] for t in tokens if t in kinds)
    if _TAKEN_FOR.search(read):
        found[MEDICINE] = None
    if ALLERGY in found and MEDICINE in found and not _AGAINST_ALLERGY.search(read):
        del found[MEDICINE]
    return tuple(found)


def _classes(tokens: list[str], types: tuple[str, ...]) -> tuple[str, ...]:
    """Classes of medicines that are meant: by their own name, or by what they are for where a medicine is spoken of."""
    named = purposes.classes_named(tokens)
    return named or (purposes.classes_for(tokens) if MEDICINE in types else ())


def _concepts(tokens: list[str], spoken: str, is_of_medicines: bool) -> tuple[lay.LayEntry, ...]:
    """Entries that the words name. Where a group of medicines is meant, what they are for is not asked about."""
    kinds, filler = _words()
    if all(t in kinds or t in filler or t in STOP_WORDS for t in tokens):
        return ()
    if not is_of_medicines:
        return lay.find_term(" ".join(tokens), spoken)
    return tuple(dict.fromkeys(e for e in exact_matches(tokens, spoken) if e.kind in TREATMENTS))


def _says_something(token: str) -> bool:
    kinds, filler = _words()
    is_plain = token in STOP_WORDS or token in filler or token in kinds or token in MONTHS
    return len(token) > 2 and not is_plain and not token.isdigit()


def _is_french(folded: str) -> bool:
    return len(_FRENCH.findall(folded)) > len(_ENGLISH.findall(folded))


def _used(concepts: tuple[lay.LayEntry, ...], language: str) -> frozenset[str]:
    names = [name for entry in concepts for each in ("en", language) for name in lay.synonyms(entry, each)]
    names += [word for entry in concepts if entry.drug for word in entry.drug.words]
    return frozenset(word for name in names for word in fold(name).split())


@cache
def _words() -> tuple[dict[str, str], frozenset[str]]:
    """Word -> kind of resource, and words that say nothing of what is asked about."""
    found = json.loads(resources.files("ai_layer").joinpath("words.json").read_text())
    kinds = {word: kind for kind, words in found["kinds"].items() for word in words}
    return kinds, frozenset(found["filler"])


@cache
def _speller(spoken: str) -> Speller:
    kinds, filler = _words()
    names = {word for term in terms(spoken) for word in term.split()}
    return Speller(names | kinds.keys() | MONTHS.keys() | set(purposes.vocabulary()), filler | STOP_WORDS)
