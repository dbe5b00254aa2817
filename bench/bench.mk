# SPDX-License-Identifier: MIT
# Part of the Makefile: the programs that bench/run sets against each other.

BENCHBIN := $(addprefix $(BUILD)/bench/,limit handler spawn)

$(BUILD)/obj/bench/%.o: bench/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(SAY) "  cc      $<"
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

$(BUILD)/bench/limit: $(BUILD)/obj/bench/resp.o

$(BUILD)/bench/%: $(BUILD)/obj/bench/%.o $(BUILD)/base.a
	@mkdir -p $(@D)
	$(SAY) "  link    $@"
	$(Q)$(link) $(LIBS)

.PRECIOUS: $(BUILD)/obj/bench/%.o
.PHONY: bench-programs
bench-programs: $(BENCHBIN)

bench: $(BENCHBIN)
