#!/usr/bin/env bash
# Runs every test. Installs what they need where it may (as root on Debian);
# elsewhere it runs what it can, and names what was left out at the end.
# With CI=true a test that is left out is a failure.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

scripts/setup-tests.sh

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
# -v so that tests that skip themselves are seen; shown are packages and trouble.
show='^(ok|FAIL|panic:|---|\s+--- (FAIL|SKIP))|DATA RACE'
run() { (cd "$1" && go test -count=1 -v -timeout 20m "${@:2}" 2>&1) | tee -a "$log" | { grep -aE "$show" | grep -avE -- '--- PASS' || true; }; }
# The program is also for systems that the tests do not run on.
for system in windows darwin; do
	echo "building for $system"
	GOOS=$system CGO_ENABLED=0 go build -o /dev/null ./cmd/propusk || status=1
done
run token ./... || status=1
run . ./... || status=1
# The API's own tests once more, with the rows in PostgreSQL.
PROPUSK_TEST_ENGINE=postgres run . ./internal/cloudapi ./internal/signin || status=1

if grep -aqE '^(FAIL|panic:)' "$log"; then
	status=1
	echo
	echo "What failed, in full:"
	awk '/^=== RUN/{next} /--- PASS/{next} {print}' "$log" | grep -avE '^(=== (PAUSE|CONT|NAME)|ok |\?)' | tail -n 400
fi

passed=$(grep -acE '^--- PASS' "$log" || true)
failed=$(grep -acE '^--- FAIL' "$log" || true)
skipped=$(grep -acE -- '--- SKIP' "$log" || true)
if [[ $skipped -gt 0 ]]; then
	echo
	echo "Left out:"
	grep -aE -A3 -- '--- SKIP' "$log" | sed 's/^/  /'
	[[ ${CI:-} == true ]] && { echo "CI leaves nothing out."; status=1; }
fi
echo "$passed passed, $failed failed, $skipped skipped"
exit "$status"
