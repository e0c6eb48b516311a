-- The three roles and the database, once, as a superuser:
--   psql -v ON_ERROR_STOP=1 -v owner_password=… -v app_password=… -f roles.sql
--
-- contactsync_owner owns the schema: CONTACTSYNC_DATABASE_ADMIN_URL, migrations alone.
-- contactsync_app owns nothing and is bound by row security: CONTACTSYNC_DATABASE_URL. It may step into
-- contactsync_scheduler for one transaction and inherits nothing from it; every process refuses to start otherwise.
CREATE ROLE contactsync_scheduler NOLOGIN;
CREATE ROLE contactsync_app LOGIN NOINHERIT IN ROLE contactsync_scheduler PASSWORD :'app_password';
-- As every process asks for its sessions; a pooler may not pass that on. A frozen worker must not keep rows locked.
ALTER ROLE contactsync_app SET idle_in_transaction_session_timeout = '20s';
CREATE ROLE contactsync_owner LOGIN PASSWORD :'owner_password';
CREATE DATABASE contactsync OWNER contactsync_owner;
