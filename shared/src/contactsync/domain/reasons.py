"""Reason codes: why a contact, a run or a configuration is as it is, with a sentence in English and in French.

Codes are stable (reports, API, alerts); sentences are short, blame nobody and say what happens next. In French a
non-breaking space stands before `: ; ? !` and inside numbers.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Reason(StrEnum):
    """Every reason code of the product."""

    NONE = ""

    # Contacts that the user's own rule skips
    ONE_WAY = "one_way"
    NO_EMAIL_SKIPPED = "no_email_skipped"
    NOTHING_IDENTIFIES = "nothing_identifies"
    EXCLUDED = "excluded"
    OUT_OF_SCOPE = "out_of_scope"
    LEFT_VIEW = "left_view"
    LEFT_GROUP = "left_group"
    IN_CRM_OUTSIDE_VIEW = "in_crm_outside_view"
    IN_GOOGLE_OUTSIDE_GROUP = "in_google_outside_group"
    KEPT_AFTER_DELETION = "kept_after_deletion"
    OWNED_BY_ANOTHER = "owned_by_another_configuration"

    # What was done to contacts
    ADOPTED = "adopted"
    MADE_AGAIN = "made_again"
    GONE = "gone"
    MERGED = "merged"
    RESTORED = "restored"

    # Contacts that wait or are held
    OVER_LIMIT = "over_limit"
    DELETES_DEFERRED = "deletes_deferred"
    POSSIBLE_DUPLICATE = "possible_duplicate"
    AMBIGUOUS_MATCH = "ambiguous_match"
    AWAITING_APPROVAL = "awaiting_approval"
    ASKED_BY_ANOTHER_RUN = "asked_by_another_run"
    ANOTHER_PROGRAM_WRITES = "another_program_writes"
    GOOGLE_ACCOUNT_FULL = "google_account_full"
    BEING_CREATED = "being_created"
    OUTCOME_UNKNOWN = "outcome_unknown"
    NOT_APPLIED = "not_applied"
    CHANGED_MEANWHILE = "changed_meanwhile"

    # Values
    VALUE_DOES_NOT_FIT = "value_does_not_fit"
    COMPANY_NOT_IN_CRM = "company_not_in_crm"
    SEVERAL_ENTRIES = "several_entries"
    DATE_AS_TEXT = "date_as_text"
    NOT_KEPT_BY_CRM = "not_kept_by_crm"

    # What providers answer about contacts
    REFUSED = "refused"
    REJECTED_BY_PROVIDER = "rejected_by_provider"
    REVISION_CONFLICT = "revision_conflict"
    LOCKED = "locked"
    NOT_APPROVED = "not_approved"
    NOT_SHOWN_BY_CRM = "not_shown_by_crm"
    NO_PERMISSION = "no_permission"
    CRM_FIELD_REQUIRED = "crm_field_required"
    DEPENDENT_FIELD = "dependent_field"
    DUPLICATE_IN_CRM = "duplicate_in_crm"

    # Quotas
    RATE_LIMITED = "rate_limited"
    GOOGLE_QUOTA = "google_quota"
    GOOGLE_ACCOUNT_QUOTA = "google_account_quota"
    CRM_CREDITS = "crm_credits"
    CRM_CONCURRENCY = "crm_concurrency"
    TOKEN_THROTTLE = "token_throttle"  # noqa: S105  a reason code, no token

    # Configurations and connections
    EDITION_FREE = "edition_free"
    VIEW_GONE = "view_gone"
    GROUP_GONE = "group_gone"
    CRM_FIELD_GONE = "crm_field_gone"
    SCOPE_GONE = "scope_gone"
    NEEDS_RECONNECT = "needs_reconnect"
    DISCONNECTED = "disconnected"
    USER_INACTIVE = "user_inactive"
    PROFILE_UNREADABLE = "profile_unreadable"
    NO_RIGHT_GOOGLE_SYNC = "no_right_google_sync"
    NO_RIGHT_VIEW = "no_right_view"
    NO_RIGHT_CREATE = "no_right_create"
    NO_RIGHT_EDIT = "no_right_edit"
    NO_RIGHT_DELETE = "no_right_delete"
    MISSING_SCOPE = "missing_scope"
    SERVICE_DISABLED = "service_disabled"
    WRONG_DATA_CENTRE = "wrong_data_centre"
    HOST_NOT_ALLOWED = "host_not_allowed"
    OAUTH_CLIENT_REFUSED = "oauth_client_refused"
    VIEW_TOO_LARGE = "view_too_large"
    INVALID_MAPPING = "invalid_mapping"
    CONFIGURATION_ERROR = "configuration_error"
    NOT_ACTIVE = "not_active"
    GROUP_EXISTS = "group_exists"
    IDENTITY_REFUSED = "identity_refused"

    # Runs
    ACCOUNT_BUSY = "account_busy"
    FAIR_SHARE = "fair_share"
    CANCELLED = "cancelled"
    DEACTIVATED = "deactivated"
    DELETES_APPROVED = "deletes_approved"
    DELETES_REFUSED = "deletes_refused"
    TEMPORARY = "temporary"
    PROVIDER_UNAVAILABLE = "provider_unavailable"
    BROKER_UNAVAILABLE = "broker_unavailable"
    LISTING_CUT_SHORT = "listing_cut_short"
    PROVIDER_CONTRACT = "provider_contract"
    SYNC_TOKEN_EXPIRED = "sync_token_expired"  # noqa: S105  a reason code, no token
    PAGE_TOKEN_EXPIRED = "page_token_expired"  # noqa: S105  a reason code, no token
    LEASE_LOST = "lease_lost"
    POISON_MESSAGE = "poison_message"
    BROKER_TOPOLOGY_REFUSED = "broker_topology_refused"
    UNKNOWN = "unknown"
    SEAL_BROKEN = "seal_broken"
    STATE_INVARIANT = "state_invariant"
    INTERNAL_ERROR = "internal_error"


USERS_RULES: Final = frozenset(
    {
        Reason.ONE_WAY,
        Reason.NO_EMAIL_SKIPPED,
        Reason.EXCLUDED,
        Reason.OUT_OF_SCOPE,
        Reason.LEFT_VIEW,
        Reason.LEFT_GROUP,
        Reason.IN_CRM_OUTSIDE_VIEW,
        Reason.IN_GOOGLE_OUTSIDE_GROUP,
        Reason.KEPT_AFTER_DELETION,
        Reason.OWNED_BY_ANOTHER,
    }
)
"""Why contacts are skipped by a rule that the user chose: such a run has still succeeded."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a person reads for a reason."""

    en: str
    fr: str


def sentence(code: str, language: str = "en") -> str:
    """The sentence for a reason code in `en` or `fr` (any other language: English); an unknown code is its own text."""
    found = SENTENCES.get(code)
    if found is None:
        return code
    return found.fr if language.casefold().startswith("fr") else found.en


_WRITTEN: Final[Mapping[Reason, tuple[str, str]]] = {
    Reason.NONE: ("", ""),
    Reason.ONE_WAY: (
        "The sync goes one way, and not towards the side where this contact is missing.",
        "La synchronisation est unidirectionnelle et ne va pas vers le côté où ce contact manque.",
    ),
    Reason.NO_EMAIL_SKIPPED: (
        "It has no e-mail address, and contacts without one are skipped by your setting.",
        "Ce contact n'a pas d'adresse e-mail, et votre réglage ignore les contacts sans adresse.",
    ),
    Reason.NOTHING_IDENTIFIES: (
        "Nothing in it could identify a person. Add a name, an e-mail address or a phone number.",
        "Rien n'y permet d'identifier une personne. Ajoutez un nom, une adresse e-mail ou un numéro.",
    ),
    Reason.EXCLUDED: (
        "You excluded this contact. Nothing is written to it until you choose “Retry”.",
        "Vous avez exclu ce contact. Il n'est plus modifié tant que vous ne choisissez pas « Réessayer ».",
    ),
    Reason.OUT_OF_SCOPE: (
        "It is neither in the list view nor in the group.",
        "Il n'est ni dans la vue de liste ni dans le groupe.",
    ),
    Reason.LEFT_VIEW: (
        "It is no longer in the list view. Both sides stay as they are; it comes back with the view.",
        "Il n'est plus dans la vue de liste. Les deux côtés restent inchangés ; il reviendra avec la vue.",
    ),
    Reason.LEFT_GROUP: (
        "It is no longer in the Google group. Both sides stay as they are; it comes back with the group.",
        "Il n'est plus dans le groupe Google. Les deux côtés restent inchangés ; il reviendra avec le groupe.",
    ),
    Reason.IN_CRM_OUTSIDE_VIEW: (
        "This person is in the CRM already, outside the list view. Nothing was created or changed.",
        "Cette personne est déjà dans le CRM, hors de la vue de liste. Rien n'a été créé ni modifié.",
    ),
    Reason.IN_GOOGLE_OUTSIDE_GROUP: (
        "This person is in Google already, outside the group. Nothing was changed there.",
        "Cette personne est déjà dans Google, hors du groupe. Rien n'y a été modifié.",
    ),
    Reason.KEPT_AFTER_DELETION: (
        "It was deleted on one side and is kept on the other by your setting. It is not made again.",
        "Il a été supprimé d'un côté et conservé de l'autre selon votre réglage. Il n'est pas recréé.",
    ),
    Reason.OWNED_BY_ANOTHER: (
        "Another sync configuration has this contact too and synchronises its fields. This one sees to its group.",
        "Une autre configuration contient aussi ce contact et synchronise ses champs. Celle-ci gère son groupe.",
    ),
    Reason.ADOPTED: (
        "This person was in Google already and was put into the group.",
        "Cette personne était déjà dans Google et a été ajoutée au groupe.",
    ),
    Reason.MADE_AGAIN: (
        "It was deleted on one side but edited on the other since, so it was made again.",
        "Il a été supprimé d'un côté mais modifié de l'autre depuis : il a donc été recréé.",
    ),
    Reason.GONE: ("It was deleted on both sides.", "Il a été supprimé des deux côtés."),
    Reason.MERGED: (
        "It was merged into another contact of its side. On the other side a possible duplicate is left.",
        "Il a été fusionné avec un autre contact de son côté. De l'autre côté, un doublon possible subsiste.",
    ),
    Reason.RESTORED: (
        "What had been overwritten or deleted was written back, as you asked.",
        "Ce qui avait été écrasé ou supprimé a été rétabli, à votre demande.",
    ),
    Reason.OVER_LIMIT: (
        "The limit of this sync is reached. One of the next ones takes this contact.",
        "La limite de cette synchronisation est atteinte. Il sera traité par l'une des suivantes.",
    ),
    Reason.DELETES_DEFERRED: (
        "It was deleted on the other side. This sync deletes nothing; a later one decides.",
        "Il a été supprimé de l'autre côté. Cette synchronisation ne supprime rien ; une suivante décidera.",
    ),
    Reason.POSSIBLE_DUPLICATE: (
        "Another contact shares its address but has another name. Is it the same person?",
        "Un autre contact a la même adresse mais un autre nom. Est-ce la même personne ?",
    ),
    Reason.AMBIGUOUS_MATCH: (
        "Another contact of this side has the same address and name. Only one of them is synchronised.",
        "Un autre contact de ce côté a la même adresse et le même nom. Un seul des deux est synchronisé.",
    ),
    Reason.AWAITING_APPROVAL: (
        "It would be deleted together with many others. Nothing is deleted before you approve.",
        "Il serait supprimé avec beaucoup d'autres. Rien n'est supprimé sans votre accord.",
    ),
    Reason.ASKED_BY_ANOTHER_RUN: (
        "Another run has asked whether it may be deleted. Approve or refuse it there.",
        "Une autre synchronisation a demandé si ce contact peut être supprimé : répondez-y là.",
    ),
    Reason.ANOTHER_PROGRAM_WRITES: (
        "A field keeps changing back and forth. Another sync seems to write it; switch that off, then choose “Retry”.",
        "Un champ change sans cesse, sans doute par une autre synchronisation : désactivez-la, puis « Réessayer ».",
    ),
    Reason.GOOGLE_ACCOUNT_FULL: (
        "The Google account holds as many contacts as it may. Empty its trash or delete some; updates go on.",
        "Le compte Google est plein. Videz sa corbeille ou supprimez des contacts ; les mises à jour continuent.",
    ),
    Reason.BEING_CREATED: (
        "Another configuration is creating this person right now. They are linked next time.",
        "Une autre configuration est en train de créer cette personne. Le lien se fera la prochaine fois.",
    ),
    Reason.OUTCOME_UNKNOWN: (
        "The other side did not answer. We look for the contact before sending it again.",
        "L'autre côté n'a pas répondu. Nous cherchons le contact avant de l'envoyer à nouveau.",
    ),
    Reason.NOT_APPLIED: (
        "The last attempt did not arrive. The contact is sent again.",
        "La dernière tentative n'a pas abouti. Le contact est envoyé à nouveau.",
    ),
    Reason.CHANGED_MEANWHILE: (
        "The contact kept changing while we wrote it. It is tried again soon, at the latest by the next sync.",
        "Le contact a changé plusieurs fois pendant l'écriture. Nouvel essai sous peu, ou à la prochaine fois.",
    ),
    Reason.VALUE_DOES_NOT_FIT: (
        "The other side cannot hold this value. It stays where it is, unchanged.",
        "L'autre côté ne peut pas contenir cette valeur. Elle reste où elle est, inchangée.",
    ),
    Reason.COMPANY_NOT_IN_CRM: (
        "The CRM has no account of this name. The company stays in Google alone.",
        "Le CRM n'a pas de compte de ce nom. La société reste dans Google seulement.",
    ),
    Reason.SEVERAL_ENTRIES: (
        "The contact has two of what Google keeps one of. Merge them there; writing would lose one.",
        "Ce contact a deux valeurs là où Google n'en garde qu'une. Fusionnez-les : écrire en ferait perdre une.",
    ),
    Reason.DATE_AS_TEXT: (
        "Google holds this date as words. They are left as they are; enter a date there to synchronise it.",
        "Google contient cette date en toutes lettres. Elle reste ainsi ; saisissez-y une date pour la synchroniser.",
    ),
    Reason.NOT_KEPT_BY_CRM: (
        "The CRM accepted this value and shows another: the field may be read-only, or a rule of the CRM changes it.",
        "Le CRM a accepté cette valeur et en montre une autre : champ en lecture seule, peut-être, ou règle du CRM.",
    ),
    Reason.REFUSED: (
        "The other side did not accept this contact. It is tried again tomorrow, or when it changes.",
        "L'autre côté n'a pas accepté ce contact. Nouvel essai demain, ou dès qu'il change.",
    ),
    Reason.REJECTED_BY_PROVIDER: (
        "The other side did not accept this contact; its message is shown. It is tried again tomorrow, or on a change.",
        "L'autre côté n'a pas accepté ce contact ; son message est affiché. Nouvel essai demain, ou s'il change.",
    ),
    Reason.REVISION_CONFLICT: (
        "The contact changed in the meantime. It is read again before anything is written.",
        "Le contact a changé entre-temps. Il est relu avant toute écriture.",
    ),
    Reason.LOCKED: (
        "The record is locked in the CRM. It is synchronised once it is unlocked.",
        "L'enregistrement est verrouillé dans le CRM. Il sera traité une fois déverrouillé.",
    ),
    Reason.NOT_APPROVED: (
        "The record awaits approval in the CRM. It is synchronised once it is approved.",
        "L'enregistrement attend une approbation dans le CRM. Il sera traité une fois approuvé.",
    ),
    Reason.NOT_SHOWN_BY_CRM: (
        "The CRM does not show this record to you just now. Nothing is written; it is looked at again when it appears.",
        "Le CRM ne vous montre pas cet enregistrement. Rien n'est écrit ; il sera repris dès qu'il réapparaîtra.",
    ),
    Reason.NO_PERMISSION: (
        "Your CRM profile lacks a right that this needs. An administrator can grant it.",
        "Il manque un droit à votre profil CRM. Un administrateur peut l'accorder.",
    ),
    Reason.CRM_FIELD_REQUIRED: (
        "The CRM requires a field that this contact lacks. Set a value for new records, or fill it in.",
        "Le CRM exige un champ qui manque à ce contact. Définissez une valeur par défaut ou complétez ce champ.",
    ),
    Reason.DEPENDENT_FIELD: (
        "The CRM requires fields of this record to go together; its message is shown.",
        "Le CRM exige que des champs de cet enregistrement s'accordent ; son message est affiché.",
    ),
    Reason.DUPLICATE_IN_CRM: (
        "Another record of the CRM has a value that must be unique. Nothing was overwritten.",
        "Un autre enregistrement du CRM a une valeur qui doit être unique. Rien n'a été écrasé.",
    ),
    Reason.RATE_LIMITED: (
        "A quota is used up for now. The sync goes on by itself.",
        "Un quota est épuisé pour l'instant. La synchronisation reprendra d'elle-même.",
    ),
    Reason.GOOGLE_QUOTA: (
        "Google's quota is used up for now. The sync goes on by itself.",
        "Le quota de Google est épuisé pour l'instant. La synchronisation reprendra d'elle-même.",
    ),
    Reason.GOOGLE_ACCOUNT_QUOTA: (
        "Google limits this account for some hours. The sync goes on by itself.",
        "Google limite ce compte pendant quelques heures. La synchronisation reprendra d'elle-même.",
    ),
    Reason.CRM_CREDITS: (
        "The share of the CRM's daily credits for syncing is used up. The sync goes on by itself.",
        "La part des crédits quotidiens du CRM réservée à la synchronisation est épuisée. Elle reprendra d'elle-même.",
    ),
    Reason.CRM_CONCURRENCY: (
        "The CRM is handling as many requests as it allows. The sync goes on by itself.",
        "Le CRM traite autant de requêtes qu'il le permet. La synchronisation reprendra d'elle-même.",
    ),
    Reason.TOKEN_THROTTLE: (
        "The CRM limits how often the connection is renewed. The sync goes on by itself.",
        "Le CRM limite les renouvellements de la connexion. La synchronisation reprendra d'elle-même.",
    ),
    Reason.EDITION_FREE: (
        "This sync is not part of the CRM's Free edition.",
        "Cette synchronisation n'est pas incluse dans l'édition gratuite du CRM.",
    ),
    Reason.VIEW_GONE: (
        "The list view does not exist any more. Choose another one to go on; no contact was deleted.",
        "La vue de liste n'existe plus. Choisissez-en une autre pour continuer ; aucun contact n'a été supprimé.",
    ),
    Reason.GROUP_GONE: (
        "The Google group does not exist any more. Choose another one to go on; no contact was deleted.",
        "Le groupe Google n'existe plus. Choisissez-en un autre pour continuer ; aucun contact n'a été supprimé.",
    ),
    Reason.CRM_FIELD_GONE: (
        "The CRM does not show a mapped field any more. Have it shown again or remove its row; nothing was emptied.",
        "Le CRM ne montre plus un champ associé. Faites-le réafficher ou retirez sa ligne ; rien n'a été effacé.",
    ),
    Reason.SCOPE_GONE: (
        "The list view or the group does not exist any more. Choose another one to go on; no contact was deleted.",
        "La vue ou le groupe n'existe plus. Choisissez-en un autre pour continuer ; aucun contact n'a été supprimé.",
    ),
    Reason.NEEDS_RECONNECT: (
        "The connection was revoked or has expired. Reconnect the same account; the sync then goes on by itself.",
        "La connexion a été révoquée ou a expiré. Reconnectez le même compte ; la synchronisation reprendra.",
    ),
    Reason.DISCONNECTED: (
        "You disconnected this account. Connect the same account again; the sync then goes on by itself.",
        "Vous avez déconnecté ce compte. Reconnectez le même compte ; la synchronisation reprendra.",
    ),
    Reason.USER_INACTIVE: (
        "The user is not active in the CRM any more, so access was ended on both sides.",
        "L'utilisateur n'est plus actif dans le CRM ; l'accès a été supprimé des deux côtés.",
    ),
    Reason.PROFILE_UNREADABLE: (
        "You may not read your CRM profile, so only CRM to Google is offered until an administrator connects.",
        "Votre profil CRM est illisible : seul le sens CRM vers Google est proposé sans administrateur connecté.",
    ),
    Reason.NO_RIGHT_GOOGLE_SYNC: (
        "Your CRM profile lacks “Sync with Google Contact”. There is no sync without it.",
        "Le droit « Synchroniser avec Google Contacts » manque à votre profil CRM. Sans lui, pas de synchronisation.",
    ),
    Reason.NO_RIGHT_VIEW: (
        "Your CRM profile lacks “View Contacts”. There is no sync without it.",
        "Le droit « Afficher les contacts » manque à votre profil CRM. Sans lui, aucune synchronisation.",
    ),
    Reason.NO_RIGHT_CREATE: (
        "Your CRM profile lacks “Create Contacts”. Only CRM to Google is possible.",
        "Le droit « Créer des contacts » manque à votre profil CRM. Seul le sens CRM vers Google est possible.",
    ),
    Reason.NO_RIGHT_EDIT: (
        "Your CRM profile lacks “Edit Contacts”. Only CRM to Google is possible.",
        "Le droit « Modifier les contacts » manque à votre profil CRM. Seul le sens CRM vers Google est possible.",
    ),
    Reason.NO_RIGHT_DELETE: (
        "Your CRM profile lacks “Delete Contacts”. Only CRM to Google is possible.",
        "Le droit « Supprimer les contacts » manque à votre profil CRM. Seul le sens CRM vers Google est possible.",
    ),
    Reason.MISSING_SCOPE: (
        "A permission was not granted when the account was connected. Reconnect and grant all of them.",
        "Une autorisation n'a pas été accordée lors de la connexion. Reconnectez et accordez-les toutes.",
    ),
    Reason.SERVICE_DISABLED: (
        "The account's administrator has switched this service off.",
        "L'administrateur du compte a désactivé ce service.",
    ),
    Reason.WRONG_DATA_CENTRE: (
        "The organisation is served by another data centre now. Reconnect the same account.",
        "L'organisation dépend maintenant d'un autre centre de données. Reconnectez le même compte.",
    ),
    Reason.HOST_NOT_ALLOWED: (
        "An answer named an address that is not the provider's own. It was not followed.",
        "Une réponse indiquait une adresse étrangère au fournisseur. Elle n'a pas été suivie.",
    ),
    Reason.OAUTH_CLIENT_REFUSED: (
        "The provider refuses this installation's own credentials. Its operator has to correct them.",
        "Le fournisseur refuse les identifiants de cette installation. Son exploitant doit les corriger.",
    ),
    Reason.VIEW_TOO_LARGE: (
        "The list view has more than 100,000 contacts. Choose a smaller one.",
        "La vue de liste contient plus de 100\u00a0000 contacts. Choisissez-en une plus petite.",
    ),
    Reason.INVALID_MAPPING: (
        "The field mapping cannot be used as it is. The rows concerned are named.",
        "La correspondance des champs n'est pas utilisable telle quelle. Les lignes concernées sont indiquées.",
    ),
    Reason.CONFIGURATION_ERROR: (
        "A setting of the service is missing or wrong. Its operator has to correct it.",
        "Un réglage du service manque ou est erroné. Son exploitant doit le corriger.",
    ),
    Reason.NOT_ACTIVE: (
        "This sync is not active. Activate it, then start it.",
        "Cette synchronisation n'est pas active. Activez-la, puis lancez-la.",
    ),
    Reason.GROUP_EXISTS: (
        "A Google group of this name exists already. Choose it from the list, or take another name.",
        "Un groupe Google de ce nom existe déjà. Choisissez-le dans la liste ou prenez un autre nom.",
    ),
    Reason.IDENTITY_REFUSED: (
        "The account that was signed in is not the one of this connection. Sign in with the same account.",
        "Le compte utilisé n'est pas celui de cette connexion. Connectez-vous avec le même compte.",
    ),
    Reason.ACCOUNT_BUSY: (
        "Another sync is working on this Google account. This one follows.",
        "Une autre synchronisation utilise ce compte Google. Celle-ci suivra.",
    ),
    Reason.FAIR_SHARE: (
        "Other syncs of your organisation go first. This one follows.",
        "D'autres synchronisations de votre organisation passent d'abord. Celle-ci suivra.",
    ),
    Reason.CANCELLED: (
        "The sync was stopped on request. What was done stays done.",
        "La synchronisation a été arrêtée à la demande. Ce qui est fait reste fait.",
    ),
    Reason.DELETES_APPROVED: (
        "You approved the deletes. A separate sync carries them out.",
        "Vous avez approuvé les suppressions. Une synchronisation à part les effectue.",
    ),
    Reason.DELETES_REFUSED: (
        "You refused the deletes. The contacts stay and are no longer synchronised.",
        "Vous avez refusé les suppressions. Les contacts restent et ne sont plus synchronisés.",
    ),
    Reason.DEACTIVATED: (
        "The sync was deactivated. Both address books stay as they are.",
        "La synchronisation a été désactivée. Les deux carnets d'adresses restent inchangés.",
    ),
    Reason.TEMPORARY: (
        "Something did not answer. It is tried again.",
        "Un service n'a pas répondu. Un nouvel essai suivra.",
    ),
    Reason.PROVIDER_UNAVAILABLE: (
        "The CRM or Google does not answer at the moment. It is tried again.",
        "Le CRM ou Google ne répond pas en ce moment. Un nouvel essai suivra.",
    ),
    Reason.LISTING_CUT_SHORT: (
        "Google did not show all the contacts that it counts. Its list is read again before anything is created.",
        "Google n'a pas montré tous les contacts qu'il compte. Sa liste est relue avant toute création.",
    ),
    Reason.BROKER_UNAVAILABLE: (
        "The queue does not answer at the moment. The sync begins when it does.",
        "La file d'attente ne répond pas en ce moment. La synchronisation commencera ensuite.",
    ),
    Reason.PROVIDER_CONTRACT: (
        "The CRM or Google gave an answer that we cannot read. Nothing was written on its word.",
        "Le CRM ou Google a donné une réponse illisible. Rien n'a été écrit sur cette base.",
    ),
    Reason.SYNC_TOKEN_EXPIRED: (
        "Google no longer tells what changed since the last sync. All contacts are read once.",
        "Google n'indique plus ce qui a changé depuis la dernière fois. Tous les contacts sont relus une fois.",
    ),
    Reason.PAGE_TOKEN_EXPIRED: (
        "A listing was interrupted for too long. It is read again.",
        "Une lecture a été interrompue trop longtemps. Elle est reprise depuis le début.",
    ),
    Reason.LEASE_LOST: (
        "Another worker took this sync over. Nothing was written twice.",
        "Un autre processus a repris cette synchronisation. Rien n'a été écrit deux fois.",
    ),
    Reason.POISON_MESSAGE: (
        "A request to sync could not be read and was set aside.",
        "Une demande de synchronisation était illisible et a été mise de côté.",
    ),
    Reason.BROKER_TOPOLOGY_REFUSED: (
        "The queue is set up in a way that this service cannot use. Its operator has to correct it.",
        "La file d'attente est configurée d'une façon inutilisable ici. Son exploitant doit la corriger.",
    ),
    Reason.UNKNOWN: (
        "What was asked for does not exist, or does not exist any more.",
        "Ce qui est demandé n'existe pas, ou n'existe plus.",
    ),
    Reason.SEAL_BROKEN: (
        "Stored data could not be opened with its key. Nothing was written on its word.",
        "Des données enregistrées n'ont pas pu être ouvertes avec leur clé. Rien n'a été écrit sur cette base.",
    ),
    Reason.STATE_INVARIANT: (
        "The stored state contradicts itself. The sync stopped before writing anything.",
        "L'état enregistré se contredit. La synchronisation s'est arrêtée avant d'écrire.",
    ),
    Reason.INTERNAL_ERROR: (
        "Something went wrong on our side. It is recorded and tried again.",
        "Une erreur s'est produite de notre côté. Elle est enregistrée et un nouvel essai suivra.",
    ),
}


def _typeset(french: str) -> str:
    """French as it is set: a space before `: ; ? !` and inside quotation marks does not break."""
    return re.sub(r" ([:;?!»])", "\u00a0\\1", french).replace("« ", "«\u00a0")


SENTENCES: Final[Mapping[str, Sentence]] = MappingProxyType(
    {reason.value: Sentence(en, _typeset(fr)) for reason, (en, fr) in _WRITTEN.items()}
)
"""Reason code -> sentences."""
