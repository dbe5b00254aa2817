# SPDX-License-Identifier: MIT
# `make help` lists the targets.
#
# Of the user's: CC CPPFLAGS CFLAGS LDFLAGS LDLIBS, FLAVOUR=release|debug|asan, V=1 shows the commands,
# CI=true makes warnings errors, K=WORD runs only the tests whose name holds WORD, TLS=no builds without
# OpenSSL, and TLS=yes fails where it is missing.

FLAVOUR ?= release
BUILD   := build/$(FLAVOUR)
VERSION := $(shell cat VERSION)
OPENSSL := openssl >= 1.1.1
ifeq ($(origin TLS),undefined)
TLS     := $(shell pkg-config --exists '$(OPENSSL)' && echo yes || echo no)
endif
PKGS    := yaml-0.1 hiredis libmicrohttpd $(if $(filter yes,$(TLS)),'$(OPENSSL)')
CTL_PKGS := libcurl jansson ncursesw
CC      ?= cc
CLANG   ?= clang
INSTALL ?= install
PYTHON  ?= $(firstword $(wildcard /usr/bin/python3) python3)
Q       := $(if $(V),,@)
SAY     := @$(if $(V)$(findstring s,$(filter-out --%,$(firstword $(MAKEFLAGS)))),:,echo)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion \
        -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wpointer-arith \
        -Wcast-qual -Wwrite-strings -Wno-overlength-strings -Wformat=2 -Wno-format-nonliteral -Wundef -Wvla -Wimplicit-fallthrough
SAN  := address,undefined -fno-sanitize-recover=all

OPT_release := -O2 -g
OPT_debug   := -O0 -g
OPT_asan    := -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN)
OPT_fuzz    := -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,$(SAN)
OPT_analyze := -O2 -g -fanalyzer
LD_asan     := -fsanitize=address,undefined
LD_fuzz     := -fsanitize=fuzzer,address,undefined
$(if $(OPT_$(FLAVOUR)),,$(error FLAVOUR is one of release, debug, asan))

# glibc warns when _FORTIFY_SOURCE comes without optimisation, and compilers when it is set twice.
ifeq ($(FLAVOUR)$(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS))$(filter -O0,$(CFLAGS)),release)
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
endif
# Debian's libev has no .pc file; Fedora's has one, because its headers lie in a folder of their own.
EV_CFLAGS := $(shell pkg-config --cflags libev 2>/dev/null)
EV_LIBS   := $(or $(shell pkg-config --libs libev 2>/dev/null),-lev)

# What the build needs comes first, so that the user's flags, which are never changed, win.
all_cppflags = -D_GNU_SOURCE -DSLUICED_VERSION='"$(VERSION)"' -DSLUICED_HAVE_TLS=$(if $(filter yes,$(TLS)),1,0) \
               -Isrc -Itests -I$(BUILD)/gen $(FORTIFY) \
               $(shell pkg-config --cflags $(PKGS) $(CTL_PKGS) 2>/dev/null) $(EV_CFLAGS) $(CPPFLAGS)
all_cflags   = -std=gnu11 $(OPT_$(FLAVOUR)) $(WARN) $(if $(filter-out analyze,$(if $(CI),$(FLAVOUR))),-Werror) -fstack-protector-strong \
               -fPIE -fno-strict-aliasing -pthread $(CFLAGS)
all_ldflags  = -fPIE -pie -Wl,-z,relro,-z,now -pthread $(LD_$(FLAVOUR)) $(CFLAGS) $(LDFLAGS)
all_ldlibs   = $(shell pkg-config --libs $(PKGS) 2>/dev/null) $(EV_LIBS) $(LDLIBS)
COMPILE     := $(CC) $(all_cppflags) $(all_cflags)
LIBS        := $(all_ldlibs)
CTL_LIBS    := $(shell pkg-config --libs $(CTL_PKGS) 2>/dev/null)
link         = $(CC) $(all_ldflags) -o $@ $(filter %.o,$^) \
               -Wl,--start-group $(filter %.a,$^) -Wl,--end-group

# Each folder of src/ becomes an archive; a test links only the folder under test and lower floors,
# so that the linker checks the floors as well.
FOLDERS := base core loop config redis handler control consumer daemon ctl
UNDER_base     := base
UNDER_core     := core base
UNDER_loop     := loop base
UNDER_config   := config core base
UNDER_redis    := redis core loop base
UNDER_handler  := handler core loop base
UNDER_control  := control core loop base
UNDER_consumer := consumer config redis handler control core loop base
UNDER_daemon   := daemon $(UNDER_consumer)
UNDER_ctl      := ctl $(UNDER_consumer)
UNDER_fuzz     := config redis handler core loop base

NOT_BUILT := src/daemon/main.c src/ctl/main.c \
             $(if $(filter yes,$(TLS)),src/redis/tls_none.c,src/redis/tls.c src/redis/tls_context.c src/redis/tls_why.c)
sources  = $(filter-out $(NOT_BUILT),$(wildcard src/$(1)/*.c))
objects  = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(call sources,$(1)))
archives = $(foreach f,$(UNDER_$(1)),$(if $(call sources,$(f)),$(BUILD)/$(f).a))
# tests/KIND/FOLDER/test_*.c and helper_*.c are programs; any other file there is linked to each test.
programs = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard $(1)))
support  = $(patsubst tests/%.c,$(BUILD)/obj/tests/%.o,$(filter-out \
           tests/$(1)/test_% tests/$(1)/helper_%,$(wildcard tests/$(1)/*.c)))

UNIT      := $(call programs,tests/unit/*/test_*.c)
COMPONENT := $(call programs,tests/component/*/test_*.c tests/component/*/helper_*.c)
FUZZ      := $(filter-out %/replay,$(call programs,tests/fuzz/*.c))
HEADERS   := $(patsubst src/%.h,$(BUILD)/headers/%.ok,$(filter-out \
              $(filter-out src/redis/tls.h,$(NOT_BUILT:.c=.h)),$(wildcard src/*/*.h)))
REDIS_LINK := build/tools/redis-server
RUN       := PATH="$(CURDIR)/build/tools:$$PATH" $(PYTHON) tests/run --build $(BUILD) $(if $(K),-k $(K))

.PHONY: all check unit component fuzz-replay e2e crash asan demo bench fuzz lint format layers headers \
        analyze install uninstall deb clean help
.PRECIOUS: $(BUILD)/obj/%.o $(BUILD)/obj/tests/%.o $(BUILD)/gen/%.lua.inc
.DELETE_ON_ERROR:

all: $(BUILD)/sluiced $(BUILD)/sluicectl	## the daemon and sluicectl, into build/release/

$(BUILD)/sluiced: $(BUILD)/obj/daemon/main.o $(call archives,daemon)
	$(SAY) "  link    $@"
	$(Q)$(link) $(LIBS)

$(BUILD)/sluicectl: $(BUILD)/obj/ctl/main.o $(call archives,ctl)
	$(SAY) "  link    $@"
	$(Q)$(link) $(LIBS) $(CTL_LIBS)

$(BUILD)/obj/%.o: src/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(SAY) "  cc      $<"
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/obj/tests/%.o: tests/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(SAY) "  cc      $<"
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# Changes when the flags do, and everything is built anew.
.PHONY: look-at-flags
$(BUILD)/flags: look-at-flags
	@pkg-config --exists --print-errors $(PKGS) $(CTL_PKGS) || { echo "./bootstrap build installs it" >&2; exit 1; }
	@mkdir -p $(@D); printf '%s\n' '$(subst ','\'',$(COMPILE) $(all_ldflags))' >$@.$$$$; \
	if cmp -s $@.$$$$ $@; then rm $@.$$$$; else mv $@.$$$$ $@; fi

define folder_rules
$(BUILD)/$(1).a: $(call objects,$(1))
	@mkdir -p $$(@D) && rm -f $$@
	$(Q)$(AR) rcs $$@ $$^

$(foreach kind,unit component,
$(BUILD)/tests/$(kind)/$(1)/%: $(BUILD)/obj/tests/$(kind)/$(1)/%.o $(call support,$(kind)/$(1)) $(call archives,$(1))
	@mkdir -p $$(@D)
	$(SAY) "  link    $$@"
	$(Q)$$(link) $(LIBS) $(if $(filter ctl,$(1)),$(CTL_LIBS)) -lcmocka
)
endef
$(foreach f,$(FOLDERS),$(eval $(call folder_rules,$(f))))

# A fuzz target is linked to libFuzzer, or to a main() that replays the corpus.
$(BUILD)/tests/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(call archives,fuzz) \
		$(if $(filter-out fuzz,$(FLAVOUR)),$(BUILD)/obj/tests/fuzz/replay.o)
	@mkdir -p $(@D)
	$(SAY) "  link    $@"
	$(Q)$(link) $(LIBS)

# The Lua scripts become C string literals.
$(BUILD)/gen/%.lua.inc: src/%.lua
	@mkdir -p $(@D)
	$(Q)sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $< >$@
lua_strings = $(patsubst src/%.lua,$(BUILD)/gen/%.lua.inc,$(wildcard src/$(1)/*.lua))
$(call objects,redis): $(call lua_strings,redis)
$(call objects,ctl): $(call lua_strings,redis) $(call lua_strings,ctl)

# --- tests ---------------------------------------------------------------------------------------

check: all layers headers $(UNIT) $(COMPONENT) fuzz-programs $(REDIS_LINK)	## build and run every test
	$(Q)$(RUN) --fuzz-build build/asan tools unit component fuzz docs e2e lanes examples crash systemd

unit: $(UNIT)	## the tests of pure modules
	$(Q)$(RUN) unit

component: $(COMPONENT) $(REDIS_LINK)	## the tests with a real loop and real processes
	$(Q)$(RUN) component

e2e: all $(REDIS_LINK)	## the tests with a real Redis
	$(Q)$(RUN) e2e

.PHONY: lanes
lanes: all $(REDIS_LINK)	## the core of e2e with other servers: LANES="redis-sid …", all without it (tests/servers/fetch)
	$(Q)tests/servers/fetch $(LANES)
	$(Q)test ! -e build/servers/hiredis-1.2/version || PKG_CONFIG_PATH=$(CURDIR)/build/servers/hiredis-1.2/pkgconfig \
	$(MAKE) --no-print-directory BUILD=build/hiredis-1.2 all
	$(Q)$(RUN) --lanes "$(LANES)" lanes

crash: all $(REDIS_LINK)	## crash everything by a schedule: SEED=, SECONDS=60, DAEMONS=3 (docs/reliability.md)
	$(Q)PATH="$(CURDIR)/build/tools:$$PATH" FLAVOUR=$(FLAVOUR) SLUICED=$(CURDIR)/$(BUILD)/sluiced $(PYTHON) -B tests/crash/run \
	$(if $(SEED),--seed $(SEED)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(DAEMONS),--daemons $(DAEMONS))

.PHONY: soak
soak: all $(REDIS_LINK)	## memory and descriptors stay flat: SECONDS=300, ENTRIES= (docs/reliability.md)
	$(Q)PATH="$(CURDIR)/build/tools:$$PATH" FLAVOUR=$(FLAVOUR) $(PYTHON) -B tests/soak/run \
	$(if $(SECONDS),--seconds $(SECONDS)) $(if $(ENTRIES),--entries $(ENTRIES))

asan:	## unit, component and e2e under AddressSanitizer and UBSan
	$(Q)$(MAKE) --no-print-directory FLAVOUR=asan asan-tests

.PHONY: mutants
mutants: $(REDIS_LINK)	## disable each rule in turn: a test must fail for each
	$(Q)$(MAKE) --no-print-directory FLAVOUR=release all
	$(Q)PATH="$(CURDIR)/build/tools:$$PATH" $(PYTHON) tests/mutants/run $(if $(K),-k $(K))

asan-tests: all $(UNIT) $(COMPONENT) $(REDIS_LINK)
	$(Q)$(RUN) unit component e2e

fuzz-replay: fuzz-programs	## the fuzz targets over their corpus, sanitized
	$(Q)$(RUN) --fuzz-build build/asan fuzz

.PHONY: asan-tests fuzz-programs fuzz-built fuzz-run
fuzz-programs:
	$(Q)$(MAKE) --no-print-directory FLAVOUR=asan fuzz-built

fuzz-built: $(FUZZ)
	@:

FUZZ_SECONDS ?= 60
fuzz:	## run each libFuzzer target for FUZZ_SECONDS (clang)
	$(Q)$(MAKE) --no-print-directory FLAVOUR=fuzz CC=$(CLANG) fuzz-run

fuzz-run: $(FUZZ)
	$(Q)scripts/fuzz $(FUZZ_SECONDS) $(FUZZ)

# Debian has the server in redis-tools too, under the name redis-check-rdb: one program, and what it is
# goes by the name it is called by. So the tests need no package that starts a service.
$(REDIS_LINK):
	@mkdir -p $(@D)
	$(Q)server=$$(command -v redis-server || command -v redis-check-rdb || command -v valkey-server) || \
	{ echo "no redis-server: ./bootstrap check installs one" >&2; exit 1; }; ln -sf "$$server" $@

demo: all $(REDIS_LINK)	## see it work, with a Redis of its own
	$(Q)PATH="$(CURDIR)/build/tools:$$PATH" SLUICED=$(BUILD)/sluiced $(PYTHON) examples/demo/run

bench: all $(REDIS_LINK)	## measure it: QUICK=1, ONLY="P1 P4", ROUNDS=3 (bench/README.md)
	$(Q)PATH="$(CURDIR)/build/tools:$$PATH" bench/run

# --- checks of the source ------------------------------------------------------------------------

layers:	## every file includes only its own folder and lower floors
	$(Q)scripts/layers

headers: $(HEADERS)	## each header compiles alone
$(BUILD)/headers/%.ok: src/%.h $(BUILD)/flags
	@mkdir -p $(@D)
	$(Q)printf '#include "$*.h"\n' | $(COMPILE) -MMD -MP -MF $(@:.ok=.d) -MT $@ -fsyntax-only -x c -
	$(Q)touch $@

lint: $(call lua_strings,*)	## format, clang-tidy, cppcheck, shellcheck
	$(Q)scripts/lint $(all_cppflags)

format:	## put every C file into form
	$(Q)find src tests bench -name '*.[ch]' -exec clang-format -i {} +

analyze:	## gcc's -fanalyzer
	$(Q)$(MAKE) --no-print-directory FLAVOUR=analyze all

# --- installation --------------------------------------------------------------------------------

PREFIX      ?= /usr/local
prefix      ?= $(PREFIX)
bindir      ?= $(prefix)/bin
datadir     ?= $(prefix)/share
mandir      ?= $(datadir)/man
sysconfdir  ?= /etc
unitdir     ?= $(prefix)/lib/systemd/system
catalogdir  ?= $(prefix)/lib/systemd/catalog
sysusersdir ?= $(prefix)/lib/sysusers.d
bashcompdir ?= $(datadir)/bash-completion/completions
zshcompdir  ?= $(datadir)/zsh/site-functions
pkgdatadir  ?= $(datadir)/sluiced
ETC         := $(DESTDIR)$(sysconfdir)/sluiced

# FROM:TO. What is IN_PLACE names the program, its data and the configuration where they are installed.
IN_PLACE := systemd/sluiced.service:$(unitdir)/sluiced.service systemd/sluiced@.service:$(unitdir)/sluiced@.service \
            $(foreach file,strict.conf notify-reload.conf sluiced.socket,systemd/$(file):$(pkgdatadir)/systemd/$(file)) \
            man/sluiced.service.8:$(mandir)/man8/sluiced.service.8
AS_IT_IS := systemd/sluiced.catalog:$(catalogdir)/sluiced.catalog systemd/sluiced.sysusers:$(sysusersdir)/sluiced.conf \
            completion/sluiced.bash:$(bashcompdir)/sluiced completion/_sluiced:$(zshcompdir)/_sluiced \
            completion/sluicectl.bash:$(bashcompdir)/sluicectl completion/_sluicectl:$(zshcompdir)/_sluicectl \
            config/prometheus/alerts.yaml:$(pkgdatadir)/prometheus/alerts.yaml \
            config/grafana/sluiced.json:$(pkgdatadir)/grafana/sluiced.json \
            $(foreach page,$(filter-out man/sluiced.service.8,$(sort $(wildcard man/*.[1-9]))),\
            $(page):$(mandir)/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))
from      = $(firstword $(subst :, ,$(1)))
to        = $(DESTDIR)$(lastword $(subst :, ,$(1)))
relocated = sed -e 's|/usr/bin/|$(bindir)/|g' -e 's|/etc/sluiced|$(sysconfdir)/sluiced|g' -e 's|/usr/share/sluiced|$(pkgdatadir)|g'

install: all	## PREFIX=/usr/local, DESTDIR, bindir, mandir, sysconfdir, unitdir, ...
	$(Q)$(foreach program,sluiced sluicectl,$(INSTALL) -D -m 755 $(BUILD)/$(program) $(DESTDIR)$(bindir)/$(program) &&) true
	$(Q)$(foreach file,$(AS_IT_IS) $(IN_PLACE),$(INSTALL) -D -m 644 $(call from,$(file)) $(call to,$(file)) &&) true
	$(Q)$(foreach file,$(IN_PLACE),$(relocated) $(call from,$(file)) >$(call to,$(file)) &&) true
	test -d $(ETC) || $(INSTALL) -d -m 750 $(ETC)
	test -e $(ETC)/sluiced.yaml || { umask 027; sed -f config/packaged.sed config/sluiced.yaml >$(ETC)/sluiced.yaml; }
	$(Q)test -n "$(DESTDIR)" || scripts/installed $(call to,sysusers:$(sysusersdir)/sluiced.conf) $(ETC)

uninstall:	## removes what install put there, but for the configuration
	rm -f $(DESTDIR)$(bindir)/sluiced $(DESTDIR)$(bindir)/sluicectl $(foreach file,$(AS_IT_IS) $(IN_PLACE),$(call to,$(file)))
	rm -rf $(DESTDIR)$(pkgdatadir)

deb:	## build/deb/*.deb, for the Debian that this runs on
	$(Q)scripts/deb build/deb

clean:	## remove build/
	rm -rf build

help:	## this list
	@awk -F '\t' '/^[a-z][^ ]*:.*\t## / { split($$1, t, ":"); sub(/^## /, "", $$NF); printf "%-12s %s\n", t[1], $$NF }' Makefile

include bench/bench.mk
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
