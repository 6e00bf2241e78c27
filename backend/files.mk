# The control plane: settings and the control socket.
archives += control
control.src := backend/config.c backend/control.c backend/rpc.c backend/methods.c
control.pkgs := json-c inih
