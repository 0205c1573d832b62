-- Two databases, each with a role of its own that may do nothing else. PostgreSQL's image runs this once, as the superuser.
\set ON_ERROR_STOP on
\getenv prefect_password PREFECT_DATABASE_PASSWORD
\getenv promoter_password PROMOTER_LEDGER_PASSWORD

CREATE ROLE prefect LOGIN PASSWORD :'prefect_password';
CREATE DATABASE prefect OWNER prefect;
REVOKE ALL ON DATABASE prefect FROM PUBLIC;

CREATE ROLE promoter LOGIN PASSWORD :'promoter_password';
CREATE DATABASE promoter OWNER promoter;
REVOKE ALL ON DATABASE promoter FROM PUBLIC;

\connect prefect
CREATE EXTENSION IF NOT EXISTS pg_trgm; -- Prefect's search wants it
