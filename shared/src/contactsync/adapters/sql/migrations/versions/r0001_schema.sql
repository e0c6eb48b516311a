-- The first schema.
--
-- Every table of a tenant has organisation_id in its key and one policy, `tenant`: rows of the organisation that the
-- transaction named (contactsync.organisation), and no row when it named none. Row security is forced, so that it
-- binds the owner too. The role contactsync_scheduler sees ids and times of all organisations and nothing else; the
-- application steps into it for one transaction (SET LOCAL ROLE) where work crosses organisations.
--
-- The bulk tables (links, link_scopes, link_keys, people, run_contacts, effects) have no foreign keys to one another:
-- a check for each row would double the cost of saving a page, and each row is written in one fenced transaction
-- together with what it points at. Their organisation is checked by the policies all the same.

-- --- outside the tenant walls ------------------------------------------------------------------------------------

CREATE TABLE installation (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    wrapped_key bytea NOT NULL
);
COMMENT ON TABLE installation IS 'The key of keyed account hashes and of sign-in states, wrapped';

CREATE TABLE google_accounts (
    account_key bytea PRIMARY KEY CHECK (octet_length(account_key) = 16),
    fence       bigint NOT NULL DEFAULT 0,
    holder      uuid,
    until       timestamptz,
    bucket      jsonb NOT NULL DEFAULT '{}',
    made        bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
COMMENT ON COLUMN google_accounts.made IS 'People that syncs have made in it: what one makes, the others know at once';
COMMENT ON TABLE google_accounts IS 'Leases: the right to work on a Google account, whatever the tenant';

CREATE TABLE tickets (
    ticket_hash bytea PRIMARY KEY CHECK (octet_length(ticket_hash) = 32),
    kind        text NOT NULL,
    sealed      bytea NOT NULL,
    holder      uuid,
    ended       boolean NOT NULL DEFAULT false,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX tickets_expiry ON tickets (expires_at);
CREATE INDEX tickets_holder ON tickets (holder) WHERE holder IS NOT NULL;
COMMENT ON COLUMN tickets.holder IS 'User id of who may act by it; NULL where nobody is known yet';
COMMENT ON COLUMN tickets.ended IS 'Its holder is not active in the CRM any more: it opens nothing, and says why';
COMMENT ON TABLE tickets IS 'Sign-ins under way, sessions, one-time addresses; the key is a hash of 256 random bits';

-- --- tenants -----------------------------------------------------------------------------------------------------

CREATE TABLE organisations (
    organisation_id uuid PRIMARY KEY,
    claim_key       bytea UNIQUE,
    crm_key         bytea UNIQUE,
    region          text NOT NULL DEFAULT '',
    wrapped_key     bytea,
    key_version     text GENERATED ALWAYS AS
        (encode(substring(wrapped_key FROM 3 FOR get_byte(wrapped_key, 1)), 'escape')) STORED,
    created_at      timestamptz NOT NULL,
    erased_at       timestamptz
);
COMMENT ON COLUMN organisations.claim_key IS 'Keyed hash of the issuer and its name for the organisation; NULL: local user';
COMMENT ON COLUMN organisations.crm_key IS 'Keyed hash of the CRM organisation; NULL until the first connection pins it';
COMMENT ON COLUMN organisations.wrapped_key IS 'Data key of contact values and digests; NULL once it was shredded';

CREATE TABLE users (
    organisation_id uuid NOT NULL REFERENCES organisations,
    user_id         uuid NOT NULL,
    subject_key     bytea NOT NULL,
    role            text NOT NULL CHECK (role IN ('user', 'admin')),
    profile         bytea,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, user_id),
    UNIQUE (organisation_id, subject_key)
);
COMMENT ON COLUMN users.subject_key IS 'Keyed hash of issuer and subject';
COMMENT ON COLUMN users.profile IS 'Name, e-mail and language, sealed';

CREATE TABLE connections (
    organisation_id   uuid NOT NULL,
    connection_id     uuid NOT NULL,
    user_id           uuid NOT NULL,
    provider          text NOT NULL CHECK (provider IN ('zoho', 'google')),
    account_key       bytea NOT NULL,
    state             text NOT NULL CHECK (state IN ('active', 'needs_reconnect', 'disconnected')),
    reason            text NOT NULL DEFAULT '',
    scopes            text[] NOT NULL DEFAULT '{}',
    api_base_url      text NOT NULL,
    profile           bytea,
    facts             jsonb NOT NULL DEFAULT '{}',
    wrapped_key       bytea,
    key_version       text GENERATED ALWAYS AS
        (encode(substring(wrapped_key FROM 3 FOR get_byte(wrapped_key, 1)), 'escape')) STORED,
    refresh_token     bytea,
    access_token      bytea,
    access_expires_at timestamptz,
    token_version     bigint NOT NULL DEFAULT 0,
    refresh_by        uuid,
    refresh_until     timestamptz,
    refresh_reason    text NOT NULL DEFAULT '',
    created_at        timestamptz NOT NULL,
    connected_at      timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, connection_id),
    FOREIGN KEY (organisation_id, user_id) REFERENCES users
);
CREATE UNIQUE INDEX connections_id ON connections (connection_id);
CREATE UNIQUE INDEX connections_one_for_user ON connections (organisation_id, user_id, provider)
    WHERE state <> 'disconnected';
COMMENT ON COLUMN connections.profile IS 'Account id and the name to show, sealed under the organisation';
COMMENT ON COLUMN connections.wrapped_key IS 'Data key of the tokens; NULL once it was shredded';
COMMENT ON COLUMN connections.key_version IS 'Version of the key-encryption key, read from the wrapped key''s head';
COMMENT ON COLUMN connections.facts IS 'Edition, rights and when they were checked';
COMMENT ON COLUMN connections.refresh_until IS
    'Until then, by the database clock, refresh_by alone renews the access token, or, with a reason, nobody does';

CREATE TABLE sync_configs (
    organisation_id      uuid NOT NULL,
    config_id            uuid NOT NULL,
    owner_id             uuid NOT NULL,
    crm_connection_id    uuid,
    google_connection_id uuid,
    account_key          bytea,
    draft                jsonb,
    name                 text NOT NULL,
    view_id              text NOT NULL,
    group_id             text NOT NULL,
    settings             jsonb NOT NULL,
    frequency            text NOT NULL DEFAULT 'manual',
    version              integer NOT NULL DEFAULT 1,
    etag                 bigint NOT NULL DEFAULT 1,
    status               text NOT NULL CHECK (status IN ('draft', 'active', 'paused', 'deactivated', 'deleted')),
    paused_reason        text NOT NULL DEFAULT '',
    pause_told           text NOT NULL DEFAULT '',
    first_done           boolean NOT NULL DEFAULT false,
    first_taken          integer NOT NULL DEFAULT 0,
    sync                 jsonb NOT NULL DEFAULT '{}',
    backlog              integer NOT NULL DEFAULT 0,
    last_sync_at         timestamptz,
    last_attempt_at      timestamptz,
    last_reason          text NOT NULL DEFAULT '',
    next_due             timestamptz,
    created_at           timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    activated_at         timestamptz,
    deleted_at           timestamptz,
    PRIMARY KEY (organisation_id, config_id),
    CHECK ((status = 'draft') = (draft IS NOT NULL)),
    CHECK (status IN ('draft', 'deleted') OR num_nulls(crm_connection_id, google_connection_id, account_key) = 0),
    FOREIGN KEY (organisation_id, owner_id) REFERENCES users,
    FOREIGN KEY (organisation_id, crm_connection_id) REFERENCES connections,
    FOREIGN KEY (organisation_id, google_connection_id) REFERENCES connections
);
CREATE INDEX sync_configs_due ON sync_configs (next_due) WHERE status = 'active' AND next_due IS NOT NULL;
CREATE INDEX sync_configs_untold ON sync_configs (config_id)
    WHERE (CASE WHEN status = 'paused' THEN paused_reason ELSE '' END) <> pause_told;
CREATE INDEX sync_configs_account ON sync_configs (organisation_id, account_key);
CREATE INDEX sync_configs_owner ON sync_configs (organisation_id, owner_id, created_at);
CREATE UNIQUE INDEX sync_configs_one_for_scope
    ON sync_configs (organisation_id, owner_id, account_key, view_id, group_id) WHERE status <> 'deleted';
COMMENT ON COLUMN sync_configs.draft IS 'Settings as they were given while something is missing; then the others say nothing';
COMMENT ON COLUMN sync_configs.pause_told IS 'Reason of the pause that was told last; empty once it is over';
COMMENT ON COLUMN sync_configs.version IS 'Raised when both sides must be read in full: view, group, direction, mapping';
COMMENT ON COLUMN sync_configs.etag IS 'Raised with every change of the settings';
COMMENT ON COLUMN sync_configs.first_taken IS 'Contacts taken by first runs that failed or were cancelled';

-- --- runs --------------------------------------------------------------------------------------------------------

CREATE TABLE runs (
    organisation_id  uuid NOT NULL,
    run_id           uuid NOT NULL,
    config_id        uuid NOT NULL,
    account_key      bytea NOT NULL,
    mode             text NOT NULL CHECK (mode IN ('sync', 'full', 'approved_deletes')),
    trigger          text NOT NULL,
    state            text NOT NULL CHECK (state IN ('queued', 'running', 'waiting', 'needs_approval', 'planned',
                                                    'succeeded', 'partial', 'failed', 'cancelled')),
    first            boolean NOT NULL,
    contact_limit    integer NOT NULL,
    settings         jsonb,
    phase            text NOT NULL DEFAULT 'observe',
    slice            integer NOT NULL DEFAULT 0,
    attempt          integer NOT NULL DEFAULT 0,
    taken            integer NOT NULL DEFAULT 0,
    pairs            integer,
    counts           jsonb NOT NULL DEFAULT '{}',
    listings         jsonb NOT NULL DEFAULT '{}',
    sync             jsonb NOT NULL DEFAULT '{}',
    wait_until       timestamptz,
    reason           text NOT NULL DEFAULT '',
    sealed           bytea,
    retries          integer NOT NULL DEFAULT 0,
    credits_reserved integer NOT NULL DEFAULT 0,
    cancel_requested boolean NOT NULL DEFAULT false,
    wishes           jsonb NOT NULL DEFAULT '[]',
    percent          smallint NOT NULL DEFAULT 0,
    to_write         integer NOT NULL DEFAULT 0,
    created_at       timestamptz NOT NULL,
    started_at       timestamptz,
    updated_at       timestamptz NOT NULL,
    finished_at      timestamptz,
    told             boolean NOT NULL DEFAULT false,
    PRIMARY KEY (organisation_id, run_id),
    FOREIGN KEY (organisation_id, config_id) REFERENCES sync_configs
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX runs_one_open ON runs (organisation_id, config_id) WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX runs_open ON runs (created_at) WHERE state IN ('queued', 'running', 'waiting');
CREATE INDEX runs_untold ON runs (finished_at) WHERE finished_at IS NOT NULL AND NOT told;
CREATE INDEX runs_asking ON runs (organisation_id, config_id)
    WHERE state = 'needs_approval' OR reason = 'deletes_approved';
CREATE INDEX runs_of_config ON runs (organisation_id, config_id, created_at DESC, run_id);
COMMENT ON COLUMN runs.settings IS 'Fixed when the run begins; NULL before';
COMMENT ON COLUMN runs.credits_reserved IS 'CRM credits reserved and, as far as stored, not used: a killed worker leaves some';
COMMENT ON COLUMN runs.sealed IS 'The provider''s own words about why it failed';
COMMENT ON COLUMN runs.percent IS 'How far it is; never goes back';
COMMENT ON COLUMN runs.to_write IS 'Pairs that it has still to take, as far as known';
COMMENT ON COLUMN runs.wishes IS 'Requests that came too late to join: answered by further runs, the first one next';

CREATE TABLE run_contacts (
    organisation_id uuid NOT NULL,
    run_id          uuid NOT NULL,
    link_id         uuid NOT NULL,
    outcome         text NOT NULL,
    reason          text NOT NULL DEFAULT '',
    crm_id          text,
    google_id       text,
    sealed          bytea,
    fields          text[] NOT NULL DEFAULT '{}',
    sides           text[] NOT NULL DEFAULT '{}',
    left_out        jsonb NOT NULL DEFAULT '{}',
    recorded_at     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, run_id, link_id)
);
CREATE INDEX run_contacts_outcome ON run_contacts (organisation_id, run_id, outcome, link_id);
CREATE INDEX run_contacts_age ON run_contacts (organisation_id, recorded_at) WHERE sealed IS NOT NULL;
COMMENT ON COLUMN run_contacts.sealed IS 'Name to show and the provider''s message';

CREATE TABLE effects (
    organisation_id uuid NOT NULL,
    effect_id       uuid NOT NULL,
    ordinal         bigint GENERATED ALWAYS AS IDENTITY,
    config_id       uuid NOT NULL,
    run_id          uuid NOT NULL,
    link_id         uuid NOT NULL,
    side            text NOT NULL CHECK (side IN ('crm', 'google')),
    kind            text NOT NULL CHECK (kind IN ('create', 'update', 'delete', 'join_group')),
    state           text NOT NULL CHECK (state IN ('planned', 'sending', 'confirmed', 'rejected', 'unknown')),
    batch           uuid NOT NULL,
    fence           bigint NOT NULL,
    remote_id       text,
    revision        text NOT NULL DEFAULT '',
    attempt         integer NOT NULL DEFAULT 1,
    reason          text NOT NULL DEFAULT '',
    after_base      bytea NOT NULL DEFAULT '',
    sealed          bytea,
    sent_at         timestamptz,
    recorded_at     timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, effect_id)
) WITH (fillfactor = 80);
CREATE INDEX effects_unsettled ON effects (organisation_id, config_id, ordinal) WHERE state IN ('sending', 'unknown');
CREATE INDEX effects_planned ON effects (organisation_id, config_id, ordinal) WHERE state = 'planned';
CREATE INDEX effects_of_run ON effects (organisation_id, run_id, ordinal);
CREATE INDEX effects_of_link ON effects (organisation_id, link_id, ordinal DESC);
CREATE INDEX effects_age ON effects (organisation_id, recorded_at) WHERE sealed IS NOT NULL;
COMMENT ON COLUMN effects.sealed IS 'Values that were sent and values that they replaced, for 30 days';

-- --- links -------------------------------------------------------------------------------------------------------

CREATE TABLE links (
    organisation_id         uuid NOT NULL,
    link_id                 uuid NOT NULL,
    account_key             bytea NOT NULL,
    state                   text NOT NULL CHECK (state IN ('single', 'linked', 'released', 'gone')),
    reason                  text NOT NULL,
    crm_id                  text,
    crm_presence            text NOT NULL,
    crm_revision            text NOT NULL,
    crm_written_revision    text NOT NULL,
    crm_written_at          timestamptz,
    crm_modified_at         timestamptz,
    crm_base                bytea NOT NULL,
    crm_seen                bytea NOT NULL,
    crm_confirmed           boolean NOT NULL,
    crm_sent                bytea NOT NULL DEFAULT '',
    crm_keys                bytea NOT NULL,
    crm_observed_at         timestamptz,
    crm_read_only           text,
    crm_sealed              bytea,
    google_id               text,
    google_presence         text NOT NULL,
    google_revision         text NOT NULL,
    google_written_revision text NOT NULL,
    google_written_at       timestamptz,
    google_modified_at      timestamptz,
    google_base             bytea NOT NULL,
    google_seen             bytea NOT NULL,
    google_confirmed        boolean NOT NULL,
    google_sent             bytea NOT NULL DEFAULT '',
    google_keys             bytea NOT NULL,
    google_observed_at      timestamptz,
    google_read_only        text,
    google_sealed           bytea,
    values_run              uuid,
    excluded                boolean NOT NULL,
    diverged                text,
    by_hand                 text,
    not_kept                text,
    keep_apart              text,
    same_as                 text,
    restoring               uuid,
    kept_by                 uuid,
    touched_at              timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, link_id)
) WITH (fillfactor = 60);
CREATE UNIQUE INDEX links_crm ON links (organisation_id, account_key, crm_id)
    WHERE crm_id IS NOT NULL AND state <> 'gone';
CREATE UNIQUE INDEX links_google ON links (organisation_id, account_key, google_id)
    WHERE google_id IS NOT NULL AND state <> 'gone';
CREATE INDEX links_gone_age ON links (organisation_id, touched_at) WHERE state = 'gone';
CREATE INDEX links_buried_crm ON links (organisation_id, account_key, crm_id)
    WHERE crm_id IS NOT NULL AND state = 'gone';
CREATE INDEX links_buried_google ON links (organisation_id, account_key, google_id)
    WHERE google_id IS NOT NULL AND state = 'gone';
COMMENT ON COLUMN links.crm_base IS 'Packed keyed digests of the mapped fields at the last agreement';
COMMENT ON COLUMN links.crm_keys IS 'Packed match keys; link_keys finds links by them';
COMMENT ON COLUMN links.crm_sealed IS 'Name and mapped values, for the run values_run alone';
COMMENT ON COLUMN links.kept_by IS 'The configuration that synchronises its fields; NULL while it stands alone';
COMMENT ON COLUMN links.diverged IS 'JSON array of mapping rows; NULL: none';
COMMENT ON COLUMN links.by_hand IS 'JSON array of mapping rows, each of them diverged; NULL: none';
COMMENT ON COLUMN links.not_kept IS 'JSON array of mapping rows that the CRM did not keep as written; NULL: none';

CREATE TABLE link_scopes (
    organisation_id      uuid NOT NULL,
    config_id            uuid NOT NULL,
    link_id              uuid NOT NULL,
    dormant              boolean NOT NULL,
    crm_in_scope         boolean NOT NULL,
    crm_seen_in_scope    boolean NOT NULL,
    crm_listing          integer NOT NULL,
    google_in_scope      boolean NOT NULL,
    google_seen_in_scope boolean NOT NULL,
    google_listing       integer NOT NULL,
    pending_since        timestamptz,
    pending_order        timestamptz,
    taken_by             uuid,
    hold                 jsonb,
    hold_message         bytea,
    held_until           timestamptz,
    PRIMARY KEY (organisation_id, config_id, link_id)
) WITH (fillfactor = 70);
CREATE INDEX link_scopes_pending ON link_scopes (organisation_id, config_id, pending_since, pending_order, link_id)
    WHERE pending_since IS NOT NULL;
CREATE INDEX link_scopes_held ON link_scopes (held_until) WHERE held_until IS NOT NULL;
COMMENT ON INDEX link_scopes_held IS 'Counted for all organisations together: how many are held';
COMMENT ON COLUMN link_scopes.hold IS 'Why this configuration keeps it back: what one was refused, another may do';
COMMENT ON COLUMN link_scopes.held_until IS 'NULL: not held; year 9999: until a person answers or the reason changes';

CREATE TABLE link_answers (
    organisation_id uuid NOT NULL,
    link_id         uuid NOT NULL,
    action          text NOT NULL,
    rivals          text NOT NULL,
    asked_at        timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, link_id)
);
COMMENT ON TABLE link_answers IS 'What a person asked of a pair, until a run of whoever keeps it then carries it out';
COMMENT ON COLUMN link_answers.rivals IS 'JSON array of the remote ids that he was asked about';

CREATE TABLE link_keys (
    organisation_id uuid NOT NULL,
    digest          bytea NOT NULL,
    side            text NOT NULL,
    link_id         uuid NOT NULL,
    PRIMARY KEY (organisation_id, digest, side, link_id)
);
COMMENT ON TABLE link_keys IS
    'Links by match key. Not a GIN index: && is not leakproof, so row security would keep it from any index';

CREATE TABLE link_aliases (
    organisation_id uuid NOT NULL,
    account_key     bytea NOT NULL,
    google_id       text NOT NULL,
    link_id         uuid NOT NULL,
    PRIMARY KEY (organisation_id, account_key, google_id)
);
COMMENT ON TABLE link_aliases IS 'Names that a linked person had before';

CREATE TABLE people (
    organisation_id uuid NOT NULL,
    config_id       uuid NOT NULL,
    side            text NOT NULL,
    digest          bytea NOT NULL,
    remote_id       text NOT NULL,
    kind            text NOT NULL,
    place           smallint NOT NULL,
    listing         integer NOT NULL,
    PRIMARY KEY (organisation_id, config_id, side, digest, remote_id, kind)
);
CREATE INDEX people_remote ON people (organisation_id, config_id, side, remote_id);
COMMENT ON TABLE people IS 'Match keys of contacts outside the scope, one row a key';

CREATE TABLE claims (
    organisation_id uuid NOT NULL,
    digest          bytea NOT NULL,
    link_id         uuid NOT NULL,
    until           timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, digest)
);
COMMENT ON TABLE claims IS 'E-mail digests of creates under way: one person is not created twice';

-- --- the queue's other half, the trail, the callers --------------------------------------------------------------

CREATE TABLE outbox (
    organisation_id uuid NOT NULL,
    message_id      uuid NOT NULL,
    ordinal         bigint GENERATED ALWAYS AS IDENTITY,
    lane            text NOT NULL,
    run_id          uuid NOT NULL,
    config_id       uuid NOT NULL,
    slice           integer NOT NULL,
    trace           text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL,
    not_before      timestamptz NOT NULL,
    taken_until     timestamptz NOT NULL DEFAULT '-infinity',
    published_at    timestamptz,
    PRIMARY KEY (organisation_id, message_id)
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX outbox_message ON outbox (message_id);
CREATE INDEX outbox_due ON outbox (not_before, ordinal) WHERE published_at IS NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

CREATE TABLE audit_events (
    organisation_id uuid NOT NULL,
    event_id        uuid NOT NULL,
    at              timestamptz NOT NULL,
    actor_id        uuid,
    action          text NOT NULL,
    object_kind     text NOT NULL,
    object_id       text NOT NULL,
    details         jsonb NOT NULL DEFAULT '{}',
    PRIMARY KEY (organisation_id, event_id)
);
CREATE INDEX audit_events_at ON audit_events (organisation_id, at DESC, event_id DESC);

CREATE TABLE idempotency_keys (
    organisation_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    key             text NOT NULL,
    request_digest  bytea NOT NULL,
    status          integer,
    response        bytea,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, user_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (organisation_id, created_at);
COMMENT ON COLUMN idempotency_keys.status IS 'NULL while the first request is being answered';

CREATE TABLE webhook_channels (
    organisation_id uuid NOT NULL,
    channel_id      uuid NOT NULL,
    connection_id   uuid NOT NULL,
    provider_key    text NOT NULL,
    token_hash      bytea NOT NULL,
    expires_at      timestamptz NOT NULL,
    tried_at        timestamptz NOT NULL,
    opened_at       timestamptz NOT NULL DEFAULT '-infinity',
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, channel_id),
    FOREIGN KEY (organisation_id, connection_id) REFERENCES connections
);
CREATE UNIQUE INDEX webhook_channels_id ON webhook_channels (channel_id);
CREATE UNIQUE INDEX webhook_channels_one ON webhook_channels (organisation_id, connection_id);
CREATE INDEX webhook_channels_expiry ON webhook_channels (expires_at);
COMMENT ON COLUMN webhook_channels.provider_key IS 'The number by which the CRM knows the channel';
COMMENT ON COLUMN webhook_channels.token_hash IS 'Keyed hash of the secret that calls carry; the secret itself is not kept';
COMMENT ON COLUMN webhook_channels.tried_at IS 'When opening or renewing was last begun: no two processes do it at once';
COMMENT ON COLUMN webhook_channels.opened_at IS 'When that last succeeded: earlier than tried_at, nobody knows whether it lives';

CREATE TABLE crm_told (
    organisation_id uuid NOT NULL,
    config_id       uuid NOT NULL,
    crm_id          text NOT NULL,
    second          timestamptz NOT NULL,
    told_at         timestamptz NOT NULL,
    PRIMARY KEY (organisation_id, config_id, crm_id)
);
COMMENT ON TABLE crm_told IS 'Records that the CRM said had changed, until a reading has shown them; hints, bounded in number';

CREATE TABLE webhook_endpoints (
    organisation_id uuid NOT NULL,
    endpoint_id     uuid NOT NULL,
    direction       text NOT NULL CHECK (direction IN ('incoming', 'outgoing')),
    name            text NOT NULL,
    url             text,
    events          text[] NOT NULL DEFAULT '{}',
    secrets         bytea NOT NULL,
    created_by      uuid NOT NULL,
    created_at      timestamptz NOT NULL,
    disabled_at     timestamptz,
    PRIMARY KEY (organisation_id, endpoint_id),
    FOREIGN KEY (organisation_id, created_by) REFERENCES users
);
CREATE UNIQUE INDEX webhook_endpoints_id ON webhook_endpoints (endpoint_id);
COMMENT ON COLUMN webhook_endpoints.secrets IS 'The secret and the one before it, with the end of their overlap; sealed';

-- --- shares of what is scarce ------------------------------------------------------------------------------------

CREATE TABLE crm_credits (
    organisation_id uuid PRIMARY KEY REFERENCES organisations,
    used            jsonb NOT NULL DEFAULT '{}',
    by_hand         jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);
COMMENT ON COLUMN crm_credits.by_hand IS 'Those of them that people asked for';
COMMENT ON COLUMN crm_credits.used IS 'Credits of the CRM that syncs reserved, by hour since the epoch, for 24 hours';

CREATE TABLE deliveries (
    organisation_id uuid NOT NULL,
    delivery_id     uuid NOT NULL,
    endpoint_id     uuid,
    user_id         uuid,
    event           text NOT NULL,
    facts           jsonb NOT NULL,
    occurred_at     timestamptz NOT NULL,
    state           text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'dead')),
    attempt         integer NOT NULL DEFAULT 1,
    status          integer NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL,
    not_before      timestamptz NOT NULL,
    taken_until     timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (organisation_id, delivery_id),
    FOREIGN KEY (organisation_id, endpoint_id) REFERENCES webhook_endpoints ON DELETE CASCADE,
    FOREIGN KEY (organisation_id, user_id) REFERENCES users,
    CHECK ((endpoint_id IS NULL) <> (user_id IS NULL))
);
CREATE INDEX deliveries_due ON deliveries (not_before) WHERE state = 'waiting';
CREATE INDEX deliveries_of_endpoint ON deliveries (organisation_id, endpoint_id, created_at DESC);
COMMENT ON TABLE deliveries IS 'The outbox of news: calls to endpoints, letters to users. Ids, codes and counts, no values';

-- --- walls -------------------------------------------------------------------------------------------------------

DO $walls$
DECLARE
    walled text;
BEGIN
    FOREACH walled IN ARRAY ARRAY[
        'organisations', 'users', 'connections', 'sync_configs', 'runs', 'run_contacts', 'effects', 'links',
        'link_scopes', 'link_keys', 'link_aliases', 'link_answers', 'people', 'claims', 'outbox', 'audit_events', 'idempotency_keys',
        'webhook_channels', 'webhook_endpoints', 'deliveries', 'crm_credits', 'crm_told'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', walled);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', walled);
        -- The subselect makes the setting be read once for a statement and not once for a row.
        EXECUTE format(
            'CREATE POLICY tenant ON %I '
            'USING (organisation_id = (SELECT nullif(current_setting(''contactsync.organisation'', true), '''')::uuid)) '
            'WITH CHECK '
            '(organisation_id = (SELECT nullif(current_setting(''contactsync.organisation'', true), '''')::uuid))',
            walled
        );
    END LOOP;
END
$walls$;

-- --- a flood of calls -----------------------------------------------------------------------------------------------

CREATE FUNCTION concerned_by_calls(
    organisations uuid[], connections uuid[], untold boolean[],
    told_channel integer[], told_id text[], told_revision text[], told_second timestamptz[],
    told_at timestamptz, most_told integer
) RETURNS TABLE (channel integer, config uuid) LANGUAGE plpgsql AS $concerned$
DECLARE
    organisation uuid;
BEGIN
    FOR i IN 1 .. cardinality(organisations) LOOP
        organisation := organisations[i];
        -- Each channel is looked at as its own tenant, behind the same walls as everything else.
        PERFORM set_config('contactsync.organisation', organisation::text, true);
        RETURN QUERY
        WITH configs AS (
            -- A run that has not begun will read, and so will the one that was asked to follow; not one for which the
            -- clock alone asked.
            SELECT c.config_id, c.account_key, coalesce((
                SELECT CASE WHEN r.started_at IS NULL AND r.mode <> 'approved_deletes' THEN r.trigger <> 'schedule'
                    ELSE jsonb_path_exists(
                        r.wishes, '$[*] ? (@.mode != "approved_deletes" && @.trigger != "schedule")') END
                FROM runs r WHERE r.organisation_id = organisation AND r.config_id = c.config_id
                    AND r.state IN ('queued', 'running', 'waiting')
            ), false) AS will_read
            FROM sync_configs c
            WHERE c.organisation_id = organisation AND c.crm_connection_id = connections[i] AND c.status = 'active'
                AND c.frequency <> 'manual'
        ), news AS (
            SELECT c.config_id, told.crm_id, max(told.second) AS second
            FROM configs c
            CROSS JOIN unnest(told_channel, told_id, told_revision, told_second) AS told (place, crm_id, revision, second)
            WHERE told.place = i AND NOT EXISTS (
                SELECT FROM links l WHERE l.organisation_id = organisation AND l.account_key = c.account_key
                    AND l.crm_id = told.crm_id AND l.state <> 'gone' AND l.crm_written_revision = told.revision
            ) AND NOT EXISTS (
                SELECT FROM effects e WHERE e.organisation_id = organisation AND e.config_id = c.config_id
                    AND e.state = 'sending' AND e.side = 'crm' AND e.remote_id = told.crm_id
            ) GROUP BY c.config_id, told.crm_id
        ), numbered AS (
            SELECT news.*, row_number() OVER (PARTITION BY news.config_id ORDER BY news.crm_id) + (
                SELECT count(*) FROM crm_told k
                WHERE k.organisation_id = organisation AND k.config_id = news.config_id
            ) AS place FROM news
        ), kept AS (
            INSERT INTO crm_told AS t (organisation_id, config_id, crm_id, second, told_at)
            SELECT organisation, n.config_id, n.crm_id, n.second, concerned_by_calls.told_at FROM numbered n
            WHERE n.place <= most_told ORDER BY n.config_id, n.crm_id
            ON CONFLICT ON CONSTRAINT crm_told_pkey DO UPDATE SET second = greatest(t.second, excluded.second),
                told_at = excluded.told_at
        )
        SELECT i, c.config_id FROM configs c
        WHERE NOT c.will_read AND (untold[i] OR EXISTS (SELECT FROM news WHERE news.config_id = c.config_id));
    END LOOP;
END
$concerned$;
COMMENT ON FUNCTION concerned_by_calls IS
    'What the CRM tells by several channels at once is kept; configurations that need a run to learn it, by channel';

-- --- what each role may do ---------------------------------------------------------------------------------------

GRANT USAGE ON SCHEMA public TO contactsync_app, contactsync_scheduler;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    google_accounts, tickets, users, connections, sync_configs, runs, run_contacts, effects, links,
    link_scopes, link_keys, link_aliases, link_answers, people, claims, outbox, idempotency_keys, webhook_channels,
    webhook_endpoints, deliveries, crm_credits, crm_told
    TO contactsync_app;
GRANT SELECT, INSERT, UPDATE ON organisations, installation TO contactsync_app;
GRANT SELECT, INSERT ON audit_events TO contactsync_app;

GRANT SELECT (organisation_id, claim_key, crm_key, erased_at) ON organisations TO contactsync_scheduler;
GRANT SELECT (organisation_id, connection_id) ON connections TO contactsync_scheduler;
GRANT SELECT (organisation_id, config_id, crm_connection_id, status, paused_reason, pause_told, next_due, frequency,
              activated_at, last_sync_at)
    ON sync_configs TO contactsync_scheduler;
GRANT SELECT (organisation_id, run_id, config_id, account_key, state, reason, first, slice, attempt, wait_until, created_at,
              updated_at, finished_at, told) ON runs TO contactsync_scheduler;
GRANT SELECT (organisation_id, state, sent_at) ON effects TO contactsync_scheduler;
GRANT SELECT (organisation_id, held_until) ON link_scopes TO contactsync_scheduler;
GRANT SELECT, DELETE ON outbox TO contactsync_scheduler;
GRANT UPDATE (taken_until, published_at) ON outbox TO contactsync_scheduler;
GRANT SELECT (organisation_id, channel_id, connection_id, expires_at, tried_at) ON webhook_channels TO contactsync_scheduler;
GRANT SELECT (organisation_id, endpoint_id) ON webhook_endpoints TO contactsync_scheduler;
GRANT SELECT (organisation_id, delivery_id, state, not_before, taken_until) ON deliveries TO contactsync_scheduler;
GRANT UPDATE (taken_until) ON deliveries TO contactsync_scheduler;
GRANT SELECT (account_key, until) ON google_accounts TO contactsync_scheduler;
GRANT SELECT (key_version) ON organisations, connections TO contactsync_scheduler;

CREATE POLICY scheduler ON organisations FOR SELECT TO contactsync_scheduler USING (true);
CREATE POLICY scheduler ON connections FOR SELECT TO contactsync_scheduler USING (true);
CREATE POLICY scheduler ON sync_configs FOR SELECT TO contactsync_scheduler USING (true);
CREATE POLICY scheduler ON runs FOR SELECT TO contactsync_scheduler USING (true);
CREATE POLICY scheduler ON effects FOR SELECT TO contactsync_scheduler USING (true);
CREATE POLICY scheduler ON link_scopes FOR SELECT TO contactsync_scheduler USING (true);
CREATE POLICY scheduler ON outbox TO contactsync_scheduler USING (true) WITH CHECK (true);
CREATE POLICY scheduler ON webhook_channels FOR SELECT TO contactsync_scheduler USING (true);
CREATE POLICY scheduler ON deliveries TO contactsync_scheduler USING (true) WITH CHECK (true);
CREATE POLICY scheduler ON webhook_endpoints FOR SELECT TO contactsync_scheduler USING (true);
