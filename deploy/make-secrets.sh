#!/bin/sh
# Makes the secrets of compose.yaml, once: each is random, and none that is there already is touched.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# Compose mounts the files as they are, owner and mode included, and no container runs as their owner. Everybody may
# read them, therefore, who gets into the directory: that is its owner alone, and who has one of them mounted.
keep() {
  [ -e "secrets/$1" ] && return
  printf '%s' "$2" >"secrets/$1.new"
  chmod 0444 "secrets/$1.new"
  mv "secrets/$1.new" "secrets/$1"
}

keep postgres_password "$(random 32)"
keep database_url "postgres://cistern:$(cat secrets/postgres_password)@postgres:5432/cistern"
keep s3_access_key "$(random 10)"
keep s3_secret_key "$(random 32)"
keep cluster_secret "$(random 32)"
keep admin_token "cst_$(random 32)"
