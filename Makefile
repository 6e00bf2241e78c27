# SPDX-License-Identifier: MIT
# xensplit: one Makefile. The */files.mk it includes hold lists only.
#
#   programs += NAME     NAME.src = a.c b.c    NAME.libs = -lx    -> build/CONFIG/bin/NAME
#   archives += NAME     NAME.src = ...                           -> build/CONFIG/lib/NAME.a
#   solibs   += NAME     NAME.src, NAME.libs, NAME.soname,
#                        NAME.map (version script)                -> build/CONFIG/lib/SONAME + NAME.so
#   plugins  += NAME     NAME.src, NAME.libs                      -> build/CONFIG/lib/NAME.so (dlopened)
#   labsolibs += NAME    as solibs, into build/CONFIG/lab/; never instrumented: programs that are not
#                        ours load them.  NAME.labdeps = other labsolibs it links
#   units    += NAME     NAME.src, NAME.libs                      -> build/CONFIG/unit/NAME, run by `make check`
#   NAME.pkgs = pkg-config names;  NAME.deps = archives it links (by archive name)

CONFIG  ?= release
B       := build/$(CONFIG)
CC      ?= gcc
PREFIX  ?= /usr
DESTDIR ?=
VERSION := 0.1.0

ifeq ($(filter $(CONFIG),debug release asan tsan),)
$(error CONFIG is debug, release, asan or tsan)
endif

opt.debug   := -O0 -g3
opt.release := -O2 -g
opt.asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
opt.tsan    := -O1 -g -fsanitize=thread

CPPFLAGS += -D_GNU_SOURCE -DXSP_VERSION='"$(VERSION)"' -I. -Iring/env/user
CFLAGS   += -std=gnu11 -fPIC -pthread -Wall -Wextra -Wshadow -Wpointer-arith -Wcast-qual -Wsign-compare \
            -Wwrite-strings -Wmissing-prototypes -Wvla -Wformat=2 $(if $(WERROR),-Werror) $(opt.$(CONFIG))
LDFLAGS  += -pthread $(filter -fsanitize%,$(opt.$(CONFIG)))
Q        := $(if $(V),,@)

programs  :=
archives  :=
solibs    :=
plugins   :=
labsolibs :=
units     :=

all:            ## build everything (CONFIG=debug|release|asan|tsan, V=1, WERROR=1)

include $(sort $(wildcard */files.mk))

# --- how each kind of thing is made -----------------------------------------------------------

objs     = $(patsubst %.c,$(B)/%.o,$($(1).src))
pkglibs  = $(if $($(1).pkgs),$(shell pkg-config --libs $($(1).pkgs)))
pkgflags = $(if $($(1).pkgs),$(shell pkg-config --cflags $($(1).pkgs)))
deplibs  = $(patsubst %,$(B)/lib/%.a,$($(1).deps)) $(foreach d,$($(1).labdeps),$(B)/lab/$($(d).soname))
every    := $(programs) $(archives) $(solibs) $(plugins) $(labsolibs) $(units)
objects  := $(sort $(foreach n,$(every),$(call objs,$(n))))

define link_rule
$(2): $(call objs,$(1)) $(call deplibs,$(1)) $($(1).map)
	@mkdir -p $$(@D)
	@echo "  LD  $$@"
	$(Q)$(CC) $(LDFLAGS) $(3) -o $$@ $(call objs,$(1)) $(call deplibs,$(1)) $($(1).libs) $$(call pkglibs,$(1))
	$(if $(4),$(Q)ln -sf $$(@F) $$(@D)/$(4))
endef

$(foreach n,$(programs),$(eval $(call link_rule,$(n),$(B)/bin/$(n),,)))
$(foreach n,$(units),$(eval $(call link_rule,$(n),$(B)/unit/$(n),,)))
$(foreach n,$(plugins),$(eval $(call link_rule,$(n),$(B)/lib/$(n).so,-shared,)))
map_flag = -Wl,--version-script=$($(1).map)
so_flags = -shared -Wl,-soname,$($(1).soname) $(if $($(1).map),$(map_flag))
$(foreach n,$(solibs),$(eval $(call link_rule,$(n),$(B)/lib/$($(n).soname),$(call so_flags,$(n)),$(n).so)))
$(foreach n,$(labsolibs),$(eval $(call link_rule,$(n),$(B)/lab/$($(n).soname),$(call so_flags,$(n)) -fno-sanitize=all,)))
$(foreach n,$(labsolibs),$(eval $(call objs,$(n)): CFLAGS += -fno-sanitize=all))

define archive_rule
$(B)/lib/$(1).a: $(call objs,$(1))
	@mkdir -p $$(@D)
	@echo "  AR  $$@"
	@rm -f $$@
	$(Q)ar rcs $$@ $(call objs,$(1))
endef
$(foreach n,$(archives),$(eval $(call archive_rule,$(n))))
$(foreach n,$(every),$(if $($(n).pkgs),$(eval $(call objs,$(n)): CPPFLAGS += $$(call pkgflags,$(n)))))

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
-include $(objects:.o=.d)

all: $(patsubst %,$(B)/bin/%,$(programs)) $(patsubst %,$(B)/lib/%.a,$(archives)) \
     $(foreach n,$(solibs),$(B)/lib/$($(n).soname)) $(patsubst %,$(B)/lib/%.so,$(plugins)) \
     $(foreach n,$(labsolibs),$(B)/lab/$($(n).soname))

# --- for people -------------------------------------------------------------------------------

.PHONY: all help run test check bench bench-xen bench-xen-ways xen-shell install-packages format tidy clean compile_commands.json install \
        modules modules_install

help:           ## this list
	@awk -F':[^#]*## ' '/^[a-z_.-]+:.*## / { printf "  make %-22s %s\n", $$1, $$2 }' Makefile

run:            ## the main job: the lab, three guests, verified I/O (installs what is missing)
	@tools/setup/install.sh run
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@B=$(B) tools/run/run.sh

test:           ## everything CI checks, real Xen included (installs what is missing)
	@tools/setup/install.sh xen
	@tests/run.sh all

check:          ## the inner loop, under a minute: build, source checks, unit tests, lab smoke
	@tools/setup/install.sh test
	@tests/run.sh check

bench: export XENSPLIT_COMMIT = $(shell git rev-parse --short HEAD 2>/dev/null)
bench:          ## rings, disks, networks beside their peers, three minutes on an idle machine; build/CONFIG/bench
	@tools/setup/install.sh bench
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@mkdir -p $(B)/bench
	@$(B)/bin/xensplit-bench ring --seconds=0.05 --out=$(B)/bench/ring.json
	@$(B)/bin/xensplit-bench wake --seconds=0.05 --out=$(B)/bench/wake.json
	@$(B)/bin/xensplit-bench grant --seconds=0.02 --out=$(B)/bench/grant.json
	@$(B)/bin/xensplit-bench blk --target=null,file --seconds=0.06 --out=$(B)/bench/blk.json
	@$(B)/bin/xensplit-bench net --seconds=0.05 --out=$(B)/bench/net.json
	@$(B)/bin/xensplit-bench report --out=$(B)/bench/report.html $(addprefix $(B)/bench/,ring.json wake.json grant.json blk.json net.json)
	@echo "$(B)/bench/report.html"

xen-shell:      ## a prompt in Dom0 of a real Xen, booted under QEMU
	@tools/setup/install.sh xen
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@B=$(B) tests/xen/rig.sh shell

bench-xen:      ## real Xen: hypercalls per I/O and packet beside blkback, QEMU, netback; then bench-xen-ways (half an hour)
	@tools/setup/install.sh xen
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@mkdir -p $(B)/bench
	@B=$(B) tools/bench/xen/bench.sh --json $(B)/bench/xen.json
	@B=$(B) tools/bench/xen/net.sh --json $(B)/bench/xen-net.json
	@B=$(B) tools/bench/xen/ways.sh --json $(B)/bench/xen-ways.json

bench-xen-ways: ## real Xen: emulated, para-virtualized and direct I/O in one table (10 minutes)
	@tools/setup/install.sh xen
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@mkdir -p $(B)/bench
	@B=$(B) tools/bench/xen/ways.sh --json $(B)/bench/xen-ways.json

units: $(patsubst %,$(B)/unit/%,$(units))   ## build the unit tests
.PHONY: units

modules:        ## the guest's kernel modules, into build/kmod (KDIR=headers of another kernel)
	@frontend/linux/build.sh modules

modules_install: ## install them (INSTALL_MOD_PATH=root of the guest)
	@frontend/linux/build.sh modules && frontend/linux/build.sh install

format:         ## clang-format every C file
	$(Q)git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format -i

compile_commands.json: ## for clangd and clang-tidy
	$(Q){ echo '['; for s in $(sort $(patsubst $(B)/%.o,%.c,$(objects))); do \
	  printf '%s{"directory":"%s","file":"%s","command":"%s"}' "$$sep" "$(CURDIR)" "$$s" \
	  "$(CC) $(subst ",\\\",$(CPPFLAGS)) $(CFLAGS) -c $$s"; sep=","; echo; done; echo ']'; } > $@

tidy: compile_commands.json ## clang-tidy
	$(Q)clang-tidy -p . $(sort $(patsubst $(B)/%.o,%.c,$(objects)))

install: all    ## into DESTDIR and PREFIX
	@B=$(B) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) tools/setup/install-files.sh

clean:          ## remove build/
	rm -rf build compile_commands.json
