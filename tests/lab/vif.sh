# SPDX-License-Identifier: MIT
# For the lab tests of networks; to be sourced after vbd.sh, which has the lab and the daemon. Each
# guest's interface is xn0 in its own network, made by xensplit-vif.
for tool in ip bridge; do
	command -v $tool >/dev/null || { echo "no $tool: install iproute2"; exit 77; }
done

bridge_up() { # NAME: in Dom0's network; skips the test where the machine has none to give
	dom 0 ip link add "$1" type bridge 2>"$T/bridge.err" || { cat "$T/bridge.err"; echo "no bridge on this machine"; exit 77; }
	dom 0 ip link set "$1" type bridge mcast_snooping 0 2>/dev/null
	dom 0 ip link set "$1" up
}

vif_attach() { # DOMID N MAC [KEY=VALUE of the backend...]: both directories in one go, as libxl does
	local be=/local/domain/0/backend/vif/$1/$2 fe=/local/domain/$1/device/vif/$2 more="" kv
	for kv in "${@:4}"; do more+=" $be/${kv%%=*} '${kv#*=}'"; done
	dom 0 sh -c "
		xenstore-rm $be 2>/dev/null; xenstore-rm $fe 2>/dev/null
		xenstore-write $fe/backend $be $fe/backend-id 0 $fe/handle $2 $fe/mac $3 $fe/state 1 &&
		xenstore-chmod -r $fe n$1 r0 &&
		xenstore-write $be/frontend $fe $be/frontend-id $1 $be/handle $2 $be/mac $3 $be/type vif \
			$more $be/online 1 $be/state 1 &&
		xenstore-chmod -r $be n0 r$1"
}

vif_detach() { # DOMID N: begins it, as libxl does
	local be=/local/domain/0/backend/vif/$1/$2
	dom 0 xenstore-write "$be/online" 0 "$be/state" 5
}

vif_up() { # DOMID ADDRESS/BITS [OPTION...]: the guest's vif 0
	dom "$1" xensplit-vif up 0 "${@:3}" || return
	dom "$1" ip addr add "$2" dev xn0
}

field() { # FILE EXPRESSION: a figure out of a line of JSON, d
	python3 -c 'import json, sys; d = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2"
}
