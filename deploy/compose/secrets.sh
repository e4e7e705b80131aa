#!/bin/sh
# Makes the secrets of ../compose.yaml where there are none. Their folder is for its owner only; the files in it are for
# all, as a container's user is another one than yours.
set -eu
cd "$(dirname "$0")"
mkdir -p -m 0700 secrets
cd secrets
[ -e doors ] || openssl rand -out doors 32
if [ ! -e ledger_password ]; then
  openssl rand -hex 24 > ledger_password
  echo "host=postgres dbname=matchday user=matchday password=$(cat ledger_password)" > ledger_address
fi
chmod 0644 doors ledger_password ledger_address
