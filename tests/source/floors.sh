#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# A file includes only downward (docs/architecture.md, "Floors"); frontend and backend never include
# each other; no product file includes the lab.
set -eu
cd "$TOP"
bad=0

rule() { # DIRECTORY  ALLOWED-PREFIXES-REGEX
	local hits
	hits=$(git grep -nE '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' -- "$1" |
		grep -vE "#[[:space:]]*include[[:space:]]+\"($2)" || true)
	[ -z "$hits" ] || { echo "$1 may include only $2:"; echo "$hits"; bad=1; }
}

rule 'ring/*.[ch]'            'ring/'
rule 'frontend/core/*.[ch]'   'ring/|frontend/core/'
rule 'common/xenbus/fsm.[ch]' 'common/xenbus/fsm\.h'
rule 'common/*.[ch]'          'ring/|common/'
rule 'frontend/user/*.[ch]'   'ring/|common/|frontend/core/|frontend/user/'
rule 'frontend/linux/*.[ch]'  'ring/|common/xenbus/fsm\.h|frontend/core/|frontend/linux/'
rule 'frontend/linux/device/*.[ch]' 'common/xenbus/fsm\.h|frontend/core/keytext\.h|frontend/linux/device/'
rule 'frontend/linux/blk/*.[ch]' 'ring/|frontend/core/|frontend/linux/device/|frontend/linux/blk/'
rule 'frontend/linux/net/*.[ch]' 'ring/|frontend/core/|frontend/linux/device/|frontend/linux/net/'
rule 'backend/*.[ch]'         'ring/|common/|backend/'
rule 'tools/*.[ch]'           'ring/|common/|frontend/user/|tools/'

hits=$(git grep -nE '#[[:space:]]*include[[:space:]]+"common/lab/' -- ring frontend backend common ':!common/lab' || true)
[ -z "$hits" ] || { echo "product files include the lab:"; echo "$hits"; bad=1; }
hits=$(git grep -nE '#[[:space:]]*include[[:space:]]+<' -- 'ring/*.[ch]' 'frontend/core/*.[ch]' ':!ring/env' | grep -v '<xsp/env.h>' || true)
[ -z "$hits" ] || { echo "ring/ and frontend/core include only <xsp/env.h>:"; echo "$hits"; bad=1; }
exit $bad
