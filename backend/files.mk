# The control plane: settings and the control socket.
archives += control
control.src := backend/config.c
