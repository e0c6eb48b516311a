"""Values that are not accepted: where each stands, a stable code, and a sentence in both languages.

In French a non-breaking space stands before `: ; ? !`, as in `contactsync.domain.reasons`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from dataclasses import field as made_by
from typing import Any, Final

from config_api.web.language import Language
from contactsync.domain.reasons import SENTENCES as REASONS
from contactsync.domain.reasons import sentence


@dataclass(frozen=True, slots=True)
class FieldError:
    """One value that is not accepted: where it stands (`mapping.3.crm_field`), a code, what its sentence mentions."""

    field: str
    code: str
    mentioned: Mapping[str, object] = made_by(default_factory=dict)

    def message(self, language: Language) -> str:
        """The sentence for a person; for codes of contacts, theirs."""
        if self.code not in SENTENCES and self.code in REASONS:
            return sentence(self.code, language.value)
        return SENTENCES.get(self.code, _OTHER)[language].format_map(self.mentioned)


def field_errors(errors: Iterable[Mapping[str, Any]], *, skip: int = 0) -> list[FieldError]:
    """What pydantic found wrong, by field, without the first `skip` parts of its places; values are not repeated."""
    return [_field_error(error, skip) for error in errors]


def _field_error(error: Mapping[str, Any], skip: int) -> FieldError:
    place = error["loc"][skip:] or error["loc"][:1] or ("body",)
    mentioned = dict(error.get("ctx", {}))
    if "expected" in mentioned:
        mentioned["expected"] = mentioned["expected"].replace(" or ", ", ")  # a list that is one in both languages
    return FieldError(".".join(str(part) for part in place), error["type"], mentioned)


def _both(english: str, french: str) -> Mapping[Language, str]:
    return {Language.ENGLISH: english, Language.FRENCH: french}


_OTHER: Final = _both("This value is not accepted.", "Cette valeur n’est pas acceptée.")
_TEXT: Final = _both("This must be a text.", "Ce doit être un texte.")
_NUMBER: Final = _both("This must be a whole number.", "Ce doit être un nombre entier.")
_LIST: Final = _both("This must be a list.", "Ce doit être une liste.")
_OBJECT: Final = _both("This must be an object with named values.", "Ce doit être un objet avec des valeurs nommées.")
_YES_OR_NO: Final = _both("This must be true or false.", "Ce doit être true ou false.")
_ID: Final = _both("This must be an id.", "Ce doit être un identifiant.")
_CHOICE: Final = _both("This must be one of: {expected}.", "Ce doit être l’une de ces valeurs\u00a0: {expected}.")
_CONNECT: Final = _both("Connect this account.", "Connectez ce compte.")

SENTENCES: Final[Mapping[str, Mapping[Language, str]]] = {
    # What pydantic says
    "missing": _both("A value is needed.", "Une valeur est nécessaire."),
    "extra_forbidden": _both("There is no such field.", "Ce champ n’existe pas."),
    "string_type": _TEXT,
    "string_unicode": _TEXT,
    "string_too_short": _both(
        "The text is too short: at least {min_length}.", "Le texte est trop court\u00a0: au moins {min_length}."
    ),
    "string_too_long": _both(
        "The text is too long: at most {max_length} characters.",
        "Le texte est trop long\u00a0: au plus {max_length} caractères.",
    ),
    "string_pattern_mismatch": _both("The value has another form.", "La valeur n’a pas la forme attendue."),
    "enum": _CHOICE,
    "literal_error": _CHOICE,
    "bool_type": _YES_OR_NO,
    "bool_parsing": _YES_OR_NO,
    "int_type": _NUMBER,
    "int_parsing": _NUMBER,
    "int_parsing_size": _NUMBER,
    "int_from_float": _NUMBER,
    "greater_than_equal": _both("At least {ge}.", "Au moins {ge}."),
    "less_than_equal": _both("At most {le}.", "Au plus {le}."),
    "list_type": _LIST,
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "too_short": _both("At least {min_length}.", "Au moins {min_length}."),
    "too_long": _both("At most {max_length}.", "Au plus {max_length}."),
    "uuid_type": _ID,
    "uuid_parsing": _ID,
    "value_error": _both(
        "It holds a character that cannot be stored.", "Elle contient un caractère qui ne peut pas être enregistré."
    ),
    # Requests
    "cursor_invalid": _both("This is no cursor of this list.", "Ce n’est pas un curseur de cette liste."),
    "given_twice": _both("The name stands twice in one object.", "Le nom figure deux fois dans un même objet."),
    "key_invalid": _both(
        "Printable text of up to {max_length} characters.", "Un texte imprimable d’au plus {max_length} caractères."
    ),
    # Connections
    "not_connected": _CONNECT,
    "needs_reconnect": _CONNECT,
    "origin_not_allowed": _both(
        "The origin is not on the list RETURN_ORIGINS.", "L’origine n’est pas dans la liste RETURN_ORIGINS."
    ),
    "unknown_data_centre": _both(
        "There is no data centre of this name.", "Il n’existe pas de centre de données de ce nom."
    ),
    "group_exists": _both("The account has a group of this name.", "Le compte possède déjà un groupe de ce nom."),
    # Configurations
    "direction_not_allowed": _both(
        "Your CRM profile allows only: {allowed}.", "Votre profil dans le CRM n’autorise que\u00a0: {allowed}."
    ),
    "unknown_view": _both("The CRM has no such list view for you.", "Le CRM n’a pas cette vue de liste pour vous."),
    "unknown_group": _both("The Google account has no such group.", "Le compte Google n’a pas ce groupe."),
    "scope_not_confirmed": _both(
        "{members} people of the phone book would become visible in the CRM; confirm that they may.",
        "{members} personnes du carnet d’adresses deviendraient visibles dans le CRM\u00a0; confirmez qu’elles le "
        "peuvent.",
    ),
    "unknown_crm_field": _both("The CRM has no such field.", "Le CRM n’a pas ce champ."),
    "unknown_google_field": _both(
        "This is no Google field that can be mapped, such as names.given_name or phone_numbers[mobile].",
        "Ce n’est pas un champ Google que l’on peut associer, comme names.given_name ou phone_numbers[mobile].",
    ),
    "kinds_differ": _both(
        "A field of kind {crm} cannot be kept in one of kind {google}.",
        "Un champ de type {crm} ne peut pas être conservé dans un champ de type {google}.",
    ),
    "invalid_row": _both("This row cannot be used.", "Cette ligne ne peut pas être utilisée."),
    "too_many_rows": _both("Too many fields are mapped.", "Trop de champs sont associés."),
    "crm_field_twice": _both("This CRM field is mapped twice.", "Ce champ du CRM est associé deux fois."),
    "google_field_twice": _both("This Google field is mapped twice.", "Ce champ Google est associé deux fois."),
    "hash_collision": _both(
        "This row cannot be told from another one.", "Cette ligne ne peut pas être distinguée d’une autre."
    ),
    "no_direction": _both(
        "The CRM does not let this field be written: it may flow to Google alone.",
        "Le CRM ne permet pas d’écrire ce champ\u00a0: il ne peut aller que vers Google.",
    ),
    "match_pair_missing": _both(
        "Contacts are recognised by Email and email_addresses[work]: map these two together.",
        "Les contacts sont reconnus par Email et email_addresses[work]\u00a0: associez ces deux champs.",
    ),
    "read_only": _both("The CRM does not let this field be written.", "Le CRM ne permet pas d’écrire ce champ."),
    "value_does_not_fit": _both("The field cannot hold this value.", "Le champ ne peut pas contenir cette valeur."),
    "crm_field_required": _both(
        "The CRM requires this field of each new record: map it, or give a value.",
        "Le CRM exige ce champ pour toute nouvelle fiche\u00a0: associez-le, ou donnez une valeur.",
    ),
    # Webhooks
    "not_for_incoming": _both("For outgoing endpoints alone.", "Pour les points d’accès sortants seulement."),
    "not_an_address": _both(
        "An https address without a user name is needed.", "Il faut une adresse https sans nom d’utilisateur."
    ),
    "not_https": _both("An https address is needed.", "Il faut une adresse https."),
}
"""By code; the codes are part of the interface, so that none is changed."""
