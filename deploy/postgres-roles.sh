#!/bin/sh
# Runs once, when the server's folder is made: three roles, so that who serves cannot rewrite the log, and who owns the
# log is not master of the server. Passwords are read by psql itself, not put on a command line that others can list.
set -eu
psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set owner_password `cat /run/secrets/database_owner_password`
\set app_password `cat /run/secrets/database_password`
CREATE ROLE chancery_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE chancery LOGIN PASSWORD :'app_password';
CREATE DATABASE chancery OWNER chancery_owner;
REVOKE ALL ON DATABASE chancery FROM PUBLIC;
GRANT CONNECT ON DATABASE chancery TO chancery;
SQL
