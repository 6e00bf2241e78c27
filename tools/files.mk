# lists for tools/

# `xensplit lab`: xsp_lab_main() in tools/lab/lab.h.
archives += lab-cli
lab-cli.src := tools/lab/lab.c tools/lab/up.c tools/lab/enter.c tools/lab/table.c tools/lab/link.c \
	common/lab/env.c
lab-cli.pkgs := json-c
programs += xensplit-lab
xensplit-lab.src := tools/lab/main.c
xensplit-lab.deps := lab-cli
xensplit-lab.pkgs := json-c
