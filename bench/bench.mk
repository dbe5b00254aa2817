# SPDX-License-Identifier: MIT
# Part of the Makefile: the programs that bench/run sets against each other.

BENCHBIN := $(addprefix $(BUILD)/bench/,limit handler spawn floor pace)

# Debian's path of redigo. Where it or Go is missing, bench/run says that the loop is left out.
GO_PATH  := /usr/share/gocode
ifneq ($(and $(wildcard $(GO_PATH)/src/github.com/gomodule/redigo/redis),$(shell command -v go)),)
BENCHBIN += $(BUILD)/bench/tuned-go
endif

$(BUILD)/obj/bench/%.o: bench/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(SAY) "  cc      $<"
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/bench/limit: $(BUILD)/obj/bench/resp.o
$(BUILD)/bench/handler: $(BUILD)/obj/bench/latency.o
$(BUILD)/bench/floor $(BUILD)/bench/pace: $(BUILD)/obj/bench/resp.o $(BUILD)/obj/bench/latency.o

$(BUILD)/bench/tuned-go: bench/tuned.go
	@mkdir -p $(@D)
	$(SAY) "  go      $<"
	$(Q)GO111MODULE=off GOPATH=$(GO_PATH) GOCACHE=$(abspath $(BUILD))/obj/go GOFLAGS= go build -o $@ $<

$(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(BUILD)/base.a
	@mkdir -p $(@D)
	$(SAY) "  link    $@"
	$(Q)$(link) $(LIBS)

.PRECIOUS: $(BUILD)/obj/bench/%.o
.PHONY: bench-programs plots
bench-programs: $(BENCHBIN)

bench: $(BENCHBIN)

plots:	## draw docs/performance/*.svg from the last results
	$(Q)bench/plots bench/results.json docs/performance
