"""The sentences of the rule-written answers, English and French, and how numbers and dates are said. Pure.

Reading grade 8 or below; no diagnosis, no dose. A test measures the grade.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

MONTHS = {
    "en": [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ],
    "fr": [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
}

SENTENCES: dict[str, dict[str, str]] = {
    "en": {
        "value": "{name}: {value} on {date}.",
        "value_undated": "{name}: {value}; the record gives no date.",
        "no_value": "{name}: the record holds this result from {date}, without a value.",
        "own_range": "The range given with this result is {range}, so it is {position}.",
        "lay_range": "A usual adult range is {range} (from {source}, not from your record), so it is {position}.",
        "no_range": "Your record gives no range for it, and none is known here.",
        "flag": "The laboratory marked it as {flag}.",
        "trend": "It is {direction} from {before} on {date}.",
        "unchanged": "It is the same as on {date}.",
        "series": "Over {count} results it went from {first} on {first_date} to {last} on {last_date}.",
        "measures": "{about}",
        "may_mean": "{meaning}",
        "blood_pressure": "Blood pressure: {systolic} over {diastolic} {unit} on {date}.",
        "condition": "Your record lists {name} ({status}), since {date}.",
        "condition_undated": "Your record lists {name} ({status}).",
        "condition_ended": "Your record lists {name} as {status}; it began on {date}.",
        "medicine": "{name} was prescribed on {date}; the order is {status}.",
        "medicine_undated": "{name} is in your record; the order is {status}.",
        "mixture": "It holds {name}. {about}",
        "allergy": "Your record lists an allergy or intolerance to {name} ({status}).",
        "procedure": "You had this procedure: {name}, on {date}.",
        "vaccine": "You were given this vaccine: {name}, on {date}.",
        "report": "The report {name} is from {date}; its status is {status}.",
        "unknown_word": "There is no plain-word entry for it here, so this is its name in the record.",
        "definition": "{name}: {about}",
        "none": "Nothing in your record says so: there is no record of {what}.",
        "none_kind": "Nothing in your record says so: there is no record of that kind.",
        "otherwise": "This entry has a mark that may change what it means. Ask your care team to read it with you.",
        "critical": "This is {side} {limit}, a limit beyond which laboratories call at once. Talk to your care team today.",
        "other_unit": "In the other unit in use, that is {value}.",
        "related": "Your record also lists {name}, which {says}.",
        "panel": "The report has {count} results: {above} above, {below} below and {inside} inside their range.",
        "before_that": "Before that, on {date}, it was {systolic} over {diastolic} {unit}.",
        "next_result": "People often ask their care team next: what could explain this, and when should it be checked again?",
        "next_condition": "People often ask their care team next: what should I watch for, and what comes next?",
        "next_medicine": "People often ask their care team next: what is it for, and what should I watch for?",
        "own_record": "This answers from your own record alone.",
        "clinician": "Only your care team can answer that for you, so please ask them. This is what your record says.",
        "what_you_asked": "what you asked about",
    },
    "fr": {
        "value": "{name} : {value} le {date}.",
        "value_undated": "{name} : {value} ; le dossier ne donne pas de date.",
        "no_value": "{name} : le dossier contient ce résultat du {date}, sans valeur.",
        "own_range": "L'intervalle donné avec ce résultat est {range} ; il est donc {position}.",
        "lay_range": "Un intervalle usuel chez l'adulte est {range} (selon {source}, pas selon votre dossier) ; il est donc {position}.",
        "no_range": "Votre dossier ne donne pas d'intervalle, et aucun n'est connu ici.",
        "flag": "Le laboratoire l'a noté comme {flag}.",
        "trend": "C'est {direction} par rapport à {before} le {date}.",
        "unchanged": "C'est la même valeur que le {date}.",
        "series": "Sur {count} résultats, la valeur est passée de {first} le {first_date} à {last} le {last_date}.",
        "measures": "{about}",
        "may_mean": "{meaning}",
        "blood_pressure": "Tension artérielle : {systolic} sur {diastolic} {unit} le {date}.",
        "condition": "Votre dossier mentionne {name} ({status}), depuis le {date}.",
        "condition_undated": "Votre dossier mentionne {name} ({status}).",
        "condition_ended": "Votre dossier mentionne {name} comme {status} ; début le {date}.",
        "medicine": "{name} a été prescrit le {date} ; l'ordonnance est {status}.",
        "medicine_undated": "{name} figure dans votre dossier ; l'ordonnance est {status}.",
        "mixture": "Contient : {name}. {about}",
        "allergy": "Votre dossier mentionne une allergie ou intolérance : {name} ({status}).",
        "procedure": "Vous avez eu cet acte : {name}, le {date}.",
        "vaccine": "Vous avez reçu ce vaccin : {name}, le {date}.",
        "report": "Le rapport {name} est du {date} ; son statut est {status}.",
        "unknown_word": "Aucune explication simple n'existe ici pour ce terme ; c'est le nom du dossier.",
        "definition": "{name} : {about}",
        "none": "Rien dans votre dossier ne le dit : il n'y a pas de trace de {what}.",
        "none_kind": "Rien dans votre dossier ne le dit : il n'y a rien de ce genre.",
        "otherwise": "Cette entrée porte une marque qui peut en changer le sens. Lisez-la avec votre équipe de soins.",
        "critical": "C'est {side} de {limit}, une limite au-delà de laquelle les laboratoires appellent aussitôt. Parlez-en aujourd'hui à votre équipe de soins.",
        "other_unit": "Dans l'autre unité en usage, cela fait {value}.",
        "related": "Votre dossier mentionne aussi {name}, qui {says}.",
        "panel": "Le rapport compte {count} résultats : {above} au-dessus, {below} en dessous et {inside} dans leur intervalle.",
        "before_that": "Avant cela, le {date}, elle était de {systolic} sur {diastolic} {unit}.",
        "next_result": "On demande souvent ensuite à son équipe de soins : qu'est-ce qui peut l'expliquer, et quand faut-il contrôler ?",
        "next_condition": "On demande souvent ensuite à son équipe de soins : que dois-je surveiller, et quelle est la suite ?",
        "next_medicine": "On demande souvent ensuite à son équipe de soins : à quoi sert-il, et que dois-je surveiller ?",
        "own_record": "Cette réponse vient de votre seul dossier.",
        "clinician": "Seule votre équipe de soins peut y répondre pour vous ; demandez-lui. Voici ce que dit votre dossier.",
        "what_you_asked": "ce que vous demandez",
    },
}

WORDS: dict[str, dict[str, str]] = {
    "en": {
        "inside": "inside it",
        "above": "above it",
        "below": "below it",
        "up": "up",
        "down": "down",
        "unknown": "not stated",
    },
    "fr": {
        "inside": "dedans",
        "above": "au-dessus",
        "below": "en dessous",
        "up": "en hausse",
        "down": "en baisse",
        "unknown": "non précisé",
        "active": "actif",
        "completed": "terminé",
        "stopped": "arrêté",
        "resolved": "résolu",
        "inactive": "inactif",
        "final": "définitif",
        "finished": "terminé",
    },
}


def language_of(code: str) -> str:
    """The language that is written: the asked one where there are sentences in it, else English."""
    short = code.lower().split("-")[0]
    return short if short in SENTENCES else "en"


def sentence(language: str, form: str, /, **parts: str) -> str:
    """One sentence."""
    return SENTENCES[language][form].format(**parts)


def word(language: str, name: str) -> str:
    """A word of status or direction; one that has no translation stands as FHIR has it."""
    return WORDS[language].get(name, name or WORDS[language]["unknown"])


def date(language: str, moment: datetime | None) -> str:
    """`3 May 2024`."""
    if moment is None:
        return word(language, "unknown")
    return f"{moment.day} {MONTHS[language][moment.month - 1]} {moment.year}"


def number(language: str, value: Decimal) -> str:
    """As the record has it, at most two decimals; French writes a comma."""
    text = format(value if int(value.as_tuple().exponent) >= -2 else round(value, 2), "f")
    return text.replace(".", ",") if language == "fr" else text
