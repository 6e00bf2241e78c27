# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# What the scripts that run in Dom0 share: a line per thing shown, and a count at the end.

shown=0 broken=0

# step TEXT: a headline with the time since the machine's start
step() {
	local up
	read -r up _ </proc/uptime
	printf '== %4d s  %s\n' "${up%.*}" "$*"
}

ok() { shown=$((shown + 1)); printf 'ok    %s\n' "$*"; }
bad() { broken=$((broken + 1)); printf 'FAIL  %s\n' "$*"; }

# check TEXT CMD...: CMD must succeed; its output is shown when it doesn't, and the seconds when they
# are many. CMD runs in this shell, so that it may be a `wait`.
check() {
	local text=$1 rc=0 _began=$SECONDS
	shift
	"$@" >/tmp/check.out 2>&1 || rc=$?
	_began=$((SECONDS - _began)) # CMD sees this function's variables
	[ $_began -lt 5 ] || text="$text ($_began s)"
	if [ $rc = 0 ]; then ok "$text"; else bad "$text (exit $rc)"; tail -n 25 /tmp/check.out | sed 's/^/      | /'; fi
	return $rc
}

# refuse TEXT CMD...: CMD must fail
refuse() {
	local text=$1
	shift
	if "$@" >/tmp/check.out 2>&1; then
		bad "$text (it succeeded)"
		tail -n 25 /tmp/check.out | sed 's/^/      | /'
		return 1
	fi
	ok "$text"
}

# eventually SECONDS CMD...: until CMD succeeds
eventually() {
	local until=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $until ]; then "$@"; return 1; fi
		pause 0.2
	done
}

# closing: the last line, and the exit status
closing() {
	echo "in Dom0: $shown shown, $broken broken"
	[ $broken = 0 ]
}
