#!/bin/sh
# Retrain, compare, promote: what every pipeline of docs/ci.md runs. It needs ftjob and python3.
#
#   retrain.sh SPEC [OPTION...]     the options are those of `ftjob submit`: -n NAMESPACE, --context NAME, --local
#
#   RETRAIN_ALIAS    an alias beside the spec's runs, whose model the comment compares with
#   RETRAIN_PROMOTE  true: promote a run that succeeded to the alias
#   RETRAIN_AGAINST  a run to compare with instead of the alias's
#   RETRAIN_FOLDER   where comment.md, junit.xml and outputs are written; default: retrain
#
# Its exit code is ftjob's (docs/errors.md): 0, 11 for a run that its spec's `accept` does not let pass, and so on.
set -eu

spec=${1:?usage: retrain.sh SPEC [OPTION...]}
shift
alias=${RETRAIN_ALIAS-} promote=${RETRAIN_PROMOTE:-false} against=${RETRAIN_AGAINST-}
folder=${RETRAIN_FOLDER:-retrain}
run='' accuracy='' promoted=false

# Print why nothing can begin, and exit as ftjob does for a wrong command line.
refuse() {
    printf '%s\n' "$1" >&2
    exit 2
}

# Print the value at some keys of the JSON on stdin; nothing for null.
value() {
    python3 -c '
import json, sys
found = json.load(sys.stdin)
for key in sys.argv[1:]:
    found = found[key]
print("" if found is None else found)' "$@"
}

# On a cluster a FineTuneJob is one run for good, so each run needs a name: NAME and the first 8 digits of its id, which
# are the same for the same spec, data and weights. JSON is YAML, so the object's spec is a spec.
name_after_run() {
    python3 -c '
import json, sys
job = json.load(sys.stdin)
run_id = json.loads(job["metadata"]["annotations"]["ftjob.dev/plan"])["runId"]
json.dump({**job["spec"], "name": job["metadata"]["name"] + "-" + run_id[:8]}, sys.stdout)'
}

# The trap calls it at every end.
# shellcheck disable=SC2329
finish() {
    code=$?
    printf 'run=%s\naccuracy=%s\npromoted=%s\nexit_code=%s\n' \
        "$run" "$accuracy" "$promoted" "$code" >"$folder/outputs"
    if [ -n "${GITHUB_OUTPUT-}" ]; then cat "$folder/outputs" >>"$GITHUB_OUTPUT"; fi
}

# Whatever is wrong here is found before anything is paid for.
case $promote in
    true) [ -n "$alias" ] || refuse 'RETRAIN_PROMOTE: needs an alias: set RETRAIN_ALIAS' ;;
    false) ;;
    *) refuse 'RETRAIN_PROMOTE: give true or false' ;;
esac
case $alias in
    *[!a-z0-9-]* | -* | *-) refuse 'RETRAIN_ALIAS: give lower-case letters, digits and dashes' ;;
esac
mkdir -p -- "$folder"
folder=$(cd -- "$folder" && pwd)
rm -f -- "$folder/comment.md" "$folder/junit.xml"
trap finish EXIT

cluster=true
for option; do
    if [ "$option" = --local ]; then cluster=false; fi
done
if [ "$cluster" = true ]; then
    ftjob submit --dry-run -o json "$@" -- "$spec" >"$folder/finetunejob.json"
    name_after_run <"$folder/finetunejob.json" >"$folder/spec.yaml"
    spec=$folder/spec.yaml
fi

ftjob submit --yes -o json "$@" -- "$spec" >"$folder/submitted.json"
run=$(value run <"$folder/submitted.json")
ftjob watch -- "$run"
code=0
ftjob wait -o json --junit="$folder/junit.xml" -- "$run" >"$folder/status.json" || code=$?
[ -s "$folder/status.json" ] || exit "$code"
accuracy=$(value best_accuracy <"$folder/status.json")

# Compare with the model in use, before this run may take its place. Exit code 2: nothing was promoted yet.
if [ -z "$against" ] && [ -n "$alias" ] && [ -n "$accuracy" ]; then
    ftjob status -o json -- "$run" >"$folder/status.json"
    location=$(value folder <"$folder/status.json")
    in_use=alias:${location%/*/*}/models/$alias
    found=0
    ftjob status -o json -- "$in_use" >"$folder/in_use.json" || found=$?
    case $found in
        0) [ "$(value folder <"$folder/in_use.json")" = "$location" ] || against=$in_use ;;
        2) ;;
        *) exit "$found" ;;
    esac
fi
reported=0
ftjob report --format md ${against:+"--against=$against"} -- "$run" >"$folder/comment.md" || reported=$?
if [ "$code" -eq 0 ]; then code=$reported; fi

if [ "$code" -eq 0 ] && [ "$promote" = true ]; then
    ftjob promote -- "$run" "$alias"
    promoted=true
fi
exit "$code"
