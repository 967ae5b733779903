#!/bin/sh
# usage: train-quick.sh PROGRAMS DIRECTORY
# Trains every layer with tiny budgets on a part of the trace, publishes the models into DIRECTORY,
# verifies and serves them, and asks for one decision. --force publishes models that beat no
# baseline. Any failure ends the script.
set -eu
programs=$1
directory=$2
models=$directory/models

rm -rf "$directory"
mkdir -p "$directory"

"$programs/trainer" all --out "$models" --force --functions 120 \
    --ppo-decisions 4096 --ppo-horizon 32 --ppo-epochs 1 \
    --dqn-decisions 2000 --dqn-train-every 8 --dqn-replay 2000 \
    --lstm-windows 2000 --lstm-epochs 1
for layer in strategic tactical operational; do
    ls "$models/$layer"/*/training.csv >/dev/null
done
"$programs/strata" models verify "$models"

"$programs/strata" up --free-ports --models "$models" >"$directory/up.out" 2>"$directory/up.log" &
services=$!
stop() {
    kill -INT "$services" 2>/dev/null || true
    wait "$services" || {
        echo "train-quick: the services did not end well" >&2
        tail "$directory/up.log" >&2
        return 1
    }
}
trap 'kill -TERM "$services" 2>/dev/null || true' EXIT

# The line is `ready: coordinator ADDRESS, ...`. strata ends if the services are not ready in time.
ready='s/^ready: coordinator \([^,]*\),.*/\1/p'
until address=$(sed -n "$ready" "$directory/up.out") && [ -n "$address" ]; do
    kill -0 "$services" 2>/dev/null || {
        echo "train-quick: the services ended early" >&2
        cat "$directory/up.log" >&2
        exit 1
    }
    sleep 0.1
done
"$programs/strata" decide --endpoint "http://$address" --application shop --function checkout \
    --avg-duration-ms 320 --rate 340 --steady --provider aws --region us-east-1 --memory 1024
stop
trap - EXIT
echo "train-quick: trained, verified and served $models"
