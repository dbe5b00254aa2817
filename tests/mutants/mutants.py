# SPDX-License-Identifier: MIT
"""The rules of delivery, each with an edit of the source that disables it and the tests that notice.

The text of an edit occurs exactly once in its file, so that a change of the rule's code is a change
here as well. A test is "e2e FILE CLASS.METHOD", "unit FOLDER/FILE" or "component FOLDER/FILE"; the
first one that fails is the killer. Where two places guard the same thing, one mutant disables both.
"""
import collections
import os

Edit = collections.namedtuple("Edit", "file text replacement")
Mutant = collections.namedtuple("Mutant", "name rule edits tests")


def mutant(name, rule, file, text, replacement, *tests):
    return Mutant(name, rule, [Edit(file, text, replacement)], tests)


def several(name, rule, edits, *tests):
    return Mutant(name, rule, [Edit(*edit) for edit in edits], tests)


BREAKER = "e2e test_breaker Breaker."
SCRIPTS = "e2e test_scripts "
EVERY_WAY = "e2e test_same_verdicts SameVerdicts.test_every_way"

# --- whose an entry is, and whether its data is still there ---------------------------------------

OWNER = [
    mutant("owner_in_begin", "begin: the entry is pending for us", "redis/begin.lua",
           "elseif row[2] ~= me then", "elseif false then",
           SCRIPTS + "Begin.test_every_answer", "e2e test_sweep Stolen.test_waiting_entry_is_forgotten"),
    mutant("owner_in_renew", "renew: the entry is pending for us", "redis/renew.lua",
           "elseif row and row[2] ~= me then", "elseif false then",
           SCRIPTS + "Renew.test_every_answer", "e2e test_sweep Stolen.test_failure_is_ignored"),
    mutant("others_between", "begin, renew: nothing of others lies between", "redis/prelude.lua",
           "from, to, 1, owner) > 0 then", "from, to, 1, owner) > 1 then",
           SCRIPTS + "Prelude.test_all_ours_means_nothing_of_others_between",
           SCRIPTS + "Begin.test_at_random", SCRIPTS + "Renew.test_at_random"),
    mutant("nobodys_in_begin", "begin: what is pending for nobody does not run", "redis/begin.lua",
           "if missing == 0 then", "if missing >= 0 then",
           SCRIPTS + "Begin.test_pending_for_nobody_while_all_else_is_ours"),
    mutant("nobodys_in_renew", "renew: what is pending for nobody is told", "redis/renew.lua",
           "unpack(ARGV, 3)) == n then", "unpack(ARGV, 3)) >= 0 then",
           SCRIPTS + "Renew.test_at_random"),
    mutant("look_in_renew_of_all", "renew: what is all ours may have no data", "redis/renew.lua",
           "if intact and all_ours(", "if all_ours(",
           SCRIPTS + "Renew.test_at_random"),
    mutant("nobodys_begins_anew", "a READY entry that is pending for nobody is looked at before it runs",
           "consumer/lease.c", "	if (e->state != ENTRY_READY && e->state != ENTRY_CHECKING)\n		return;\n", "	if (s || e)\n		return;\n",
           "e2e test_mutants_leases Stolen.test_acknowledged_by_another_before_its_run"),
    mutant("owner_in_release", "release: the entry is pending for us", "redis/release.lua",
           "row and row[2] == me and", "row and",
           SCRIPTS + "Release.test_what_is_not_ours_to_give"),
    mutant("owner_in_bury", "bury: the entry is pending for us", "redis/bury.lua",
           "elseif row[2] ~= me then", "elseif false then",
           SCRIPTS + "Bury.test_of_another_and_of_nobody"),
    mutant("claim_only_stale", "claim: what was renewed since the page was read is left out", "redis/claim.lua",
           "return row and (row[3] < 0 or row[3] >= tonumber(lease))\n", "return row\n",
           SCRIPTS + "Claim.test_renewed_since_the_page"),
    mutant("claim_only_unrun", "claim: what was run since the page was read is left out", "redis/claim.lua",
           "\t\tand math.min(row[4], 2147483647) == tonumber(deliveries)\n", "",
           SCRIPTS + "Claim.test_run_and_left_again_since_the_page"),
    mutant("owner_without_scripts", "the same look by plain commands", "consumer/look.c",
           "slice_is(l->look.row.owner, s->origin.consumer) ? LOOK_OURS : LOOK_ANOTHERS", "LOOK_OURS",
           "e2e test_permissions Permissions.test_no_scripts_and_stolen_while_running"),
    mutant("look_in_begin", "begin looks before it claims", "redis/begin.lua",
           "\tlocal row = row_of(id) or pending(id)\n",
           "\tlocal row = row_of(id) or pending(id)\n\tif row and row[2] == me then\n"
           "\t\tredis.call('XCLAIM', stream, group, me, 0, id, 'JUSTID')\n\tend\n",
           SCRIPTS + "Begin.test_every_answer"),
    mutant("others_in_begin", "begin: what is not among our own rows may be another's", "redis/begin.lua",
           "local row = row_of(id) or pending(id)", "local row = row_of(id)",
           SCRIPTS + "Begin.test_every_answer"),
    mutant("pages_in_begin", "begin: a page from an id on need not begin with it", "redis/begin.lua",
           "if page[i][1] == id then", "if page[i][1] == id or i == 1 and at == 1 then",
           SCRIPTS + "Begin.test_at_random", SCRIPTS + "Begin.test_every_answer"),
    mutant("look_in_renew", "renew looks before it claims", "redis/renew.lua",
           "elseif not intact and gone(id) then", "elseif false then",
           SCRIPTS + "Renew.test_every_answer", SCRIPTS + "Renew.test_at_random"),
    mutant("look_in_claim", "claim looks before it claims", "redis/claim.lua",
           "local lost = stale and gone(id)", "local lost = false",
           SCRIPTS + "Claim.test_without_data", "e2e test_sweep Abandoned.test_trimmed_entries_are_recorded"),
    mutant("look_in_release", "release looks before it claims", "redis/release.lua",
           " and not gone(id) then", " then",
           SCRIPTS + "Release.test_what_is_not_ours_to_give"),
    mutant("look_for_deleted", "an id below the highest deleted one may be gone", "redis/prelude.lua",
           "return first and deleted and not less(id, first) and less(deleted, id)",
           "return first and not less(id, first)",
           SCRIPTS + "Prelude.test_gone_is_what_xrange_does_not_find", SCRIPTS + "Claim.test_without_data"),
    mutant("ids_in_full", "ids are compared in all their digits", "redis/prelude.lua",
           "\treturn a_ms < b_ms\n", "\treturn tonumber(a_ms) < tonumber(b_ms)\n",
           SCRIPTS + "Prelude.test_ids_are_compared_in_full"),
    mutant("runs_apart", "claim: rows that are not claimed end a run of ids", "redis/claim.lua",
           "if apart == '1' or lost or not stale then", "if lost or not stale then",
           SCRIPTS + "Claim.test_our_own_between_are_left_alone"),
    mutant("run_fits", "claim: COUNT is the length of the run", "redis/claim.lua",
           "'COUNT', run_length, 'JUSTID'", "'COUNT', 1000, 'JUSTID'",
           SCRIPTS + "Claim.test_our_own_between_are_left_alone", SCRIPTS + "Claim.test_at_random"),
]

# --- dead letters ---------------------------------------------------------------------------------

DEAD_LETTERS = [
    mutant("record_before_ack", "bury: XADD before XACK", "redis/bury.lua",
           "local err = KEYS[2] and record(", "redis.call('XACK', stream, group, id)\nlocal err = KEYS[2] and record(",
           SCRIPTS + "Bury.test_wrong_type_acknowledges_nothing",
           "e2e test_dead_letter Refused.test_key_of_the_wrong_type"),
    mutant("refused_is_no_success", "bury: no XACK when the record is refused", "redis/bury.lua",
           "if err then\n\treturn { 'refused', err }\nend\n", "",
           SCRIPTS + "Bury.test_out_of_memory_acknowledges_nothing",
           SCRIPTS + "Bury.test_wrong_type_acknowledges_nothing"),
    mutant("trimmed_record_before_ack", "claim: XADD before XACK", "redis/claim.lua",
           "local err = KEYS[2] and record(",
           "redis.call('XACK', stream, group, id)\n\tlocal err = KEYS[2] and record(",
           SCRIPTS + "Claim.test_refused_records_stay_pending"),
    mutant("trimmed_is_recorded", "claim: what is trimmed is recorded, not only acknowledged", "redis/claim.lua",
           "local err = KEYS[2] and record(KEYS[2], maxlen, meta, {})", "local err",
           "e2e test_sweep Abandoned.test_trimmed_entries_are_recorded"),
    mutant("trimmed_without_payload", "an entry seen trimmed that fails is recorded as trimmed", "core/policy.c",
           "if (trimmed)\n\t\treturn bury(p, DEAD_TRIMMED);\n", "(void)trimmed;\n", "unit core/test_policy"),
    mutant("wide_in_script", "a wide entry is not given to the script", "redis/bury.lua",
           "if #fields + #meta > values_max then", "if false then",
           SCRIPTS + "Bury.test_wide_entries", "e2e test_dead_letter Records.test_wide_entry"),
    mutant("wide_is_recorded", "a wide entry is recorded by other means, then acknowledged", "consumer/undertaker.c",
           "\t\t\tfetch_fields(s, e);", "\t\t\t(void)fetch_fields, acknowledge_by_script(s, e);",
           "e2e test_dead_letter Records.test_wide_entry"),
    mutant("oversize_is_recorded", "an oversize entry is recorded", "consumer/undertaker.c",
           "\t\tif (s->dead_letters)\n\t\t\tmove_by_script(s, e);",
           "\t\tif (s->dead_letters && e->dead_reason != DEAD_OVERSIZE)\n\t\t\tmove_by_script(s, e);",
           "e2e test_dead_letter Records.test_oversize"),
    mutant("refused_stays_pending", "while the stream refuses, the entry is held and tried again",
           "consumer/undertaker.c",
           "if (slice_is(word, \"refused\")) {\n\t\trefused(s, e, second);",
           "if (slice_is(word, \"refused\")) {\n\t\tburied(s, e, second);",
           "e2e test_dead_letter Refused.test_key_of_the_wrong_type"),
    mutant("record_before_ack_without_scripts", "XADD and its id before XACK", "consumer/undertaker.c",
           "\t\tif (s->dead_letters)\n\t\t\tadd_record(s, e,",
           "\t\tacknowledge(s, e);\n\t\tif (s->dead_letters)\n\t\t\tadd_record(s, e,",
           "e2e test_mutants_settling DeadLettersWithoutScripts.test_refused_record_acknowledges_nothing"),
]

# --- attempts -------------------------------------------------------------------------------------

ATTEMPTS = [
    mutant("begin_writes_the_run", "begin: RETRYCOUNT n+1", "redis/begin.lua",
           "'RETRYCOUNT', run, 'JUSTID'", "'JUSTID'",
           SCRIPTS + "Begin.test_the_run_is_written_as_given", "e2e test_retry Attempts.test_redis_shows_the_count"),
    mutant("begin_writes_each_run", "begin: runs of different numbers are written apart", "redis/begin.lua",
           "local claim = claims[run] or", "local claim = select(2, next(claims)) or",
           SCRIPTS + "Begin.test_a_batch_costs_few_commands", SCRIPTS + "Begin.test_at_random"),
    mutant("begin_counts_here", "begin: the count here is n+1", "consumer/begin.c",
           "\te->attempts++;\n", "", "e2e test_retry Attempts.test_the_last_one_is_max_attempts"),
    mutant("release_writes_the_runs", "release: RETRYCOUNT n", "redis/release.lua",
           "'RETRYCOUNT', runs, 'JUSTID'", "'JUSTID'", SCRIPTS + "Release.test_what_is_ours_is_given_back",
           "e2e test_leaving Finishing.test_what_was_read_but_not_run_is_given_back"),
    mutant("unrun_is_uncharged", "what is READY goes back with n-1", "consumer/consumer.c",
           "\t\tif (e->attempts)\n\t\t\te->attempts--;\n", "",
           "e2e test_mutants_settling GivenBack.test_what_was_ready_is_not_charged"),
    mutant("interrupted_is_uncharged", "a run that a drain interrupts goes back with n-1", "consumer/verdict.c",
           "if (forgiven && e->attempts)", "if (!forgiven && e->attempts)",
           "e2e test_leaving Finishing.test_run_that_is_too_long_is_given_back_uncharged"),
    mutant("forgiven_is_uncharged", "a forgiven run does not count", "consumer/verdict.c",
           "\tif (e->attempts)\n\t\te->attempts--;\n\te->suspect = o->suspect;", "\te->suspect = o->suspect;",
           "e2e test_worker_failures Crash.test_exit_charges_the_oldest"),
    mutant("max_attempts", "dead-lettered at max_attempts", "core/policy.c",
           "attempts >= p->retry->max_attempts", "attempts > p->retry->max_attempts",
           "unit core/test_policy", "e2e test_retry Attempts.test_the_last_one_is_max_attempts"),
    mutant("slack_none", "three more may be crashes of daemons", "core/policy.c",
           "SLACK_ATTEMPTS = 3", "SLACK_ATTEMPTS = 0",
           "unit core/test_policy", "e2e test_sweep Abandoned.test_entry_within_the_slack_is_run"),
    mutant("slack_unlimited", "beyond the slack an entry is not run", "core/policy.c",
           "SLACK_ATTEMPTS = 3", "SLACK_ATTEMPTS = 1000",
           "unit core/test_policy", "e2e test_sweep Abandoned.test_entry_that_kills_daemons_is_not_run"),
    mutant("killer_is_not_run", "what kills daemons is buried on arrival", "consumer/arrival.c",
           "if (policy_kills_daemons(&c->policy, attempts)) {", "if (false && c) {",
           "e2e test_sweep Abandoned.test_entry_that_kills_daemons_is_not_run"),
]

# --- leases ---------------------------------------------------------------------------------------

LEASES = [
    mutant("renewal", "what is held is renewed", "consumer/lease.c",
           "\trenew(s, quota_of_tick(s));\n", "",
           "e2e test_sweep Renewal.test_long_run_is_not_taken_by_another_daemon"),
    mutant("renewal_of_waiting", "what waits for its retry is renewed", "core/entryset.c",
           "BIT(WAITING) | BIT(BEGINNING) | BIT(CHECKING) | BIT(READY) | BIT(RUNNING) | BIT(BURYING);",
           "BIT(BEGINNING) | BIT(CHECKING) | BIT(READY) | BIT(RUNNING) | BIT(BURYING);",
           "unit core/test_entryset", "e2e test_sweep Renewal.test_entry_that_waits_for_its_retry_is_not_taken"),
    mutant("renewal_of_put_off", "what was put off is renewed", "consumer/lease.c",
           "((e = due_active(s, quota)) || (e = due_waiting(s, quota)))", "(e = due_active(s, quota))",
           "e2e test_sweep Renewal.test_entry_that_waits_for_its_retry_is_not_taken"),
    mutant("only_waiting_is_put_off", "what is more than waiting is not put off", "core/entryset.c",
           "e->put_off && !(may_be_put_off & 1u << to)", "e->put_off && !to",
           "unit core/test_entryset"),
    mutant("put_off_is_staler", "what was put off is the first to be renewed", "core/entryset.c",
           "list_prepend(&es->by_freshness, &e->lease_node);", "list_append(&es->by_freshness, &e->lease_node);",
           "unit core/test_entryset"),
    mutant("renewal_of_burying", "what waits for the dead-letter stream is renewed", "core/entryset.c",
           "BIT(READY) | BIT(RUNNING) | BIT(BURYING);", "BIT(READY) | BIT(RUNNING);",
           "unit core/test_entryset"),
    mutant("renewal_without_scripts", "what is held is renewed by plain commands", "consumer/lease.c",
           "if (l->answer == LOOK_OURS) {", "if (l->answer == LOOK_OURS && !s) {",
           "e2e test_permissions Permissions.test_long_run_is_renewed_without_scripts"),
    mutant("guard_at_hand_over", "only what is fresh is handed over", "consumer/lease.c",
           "return age_ms(s, e) < lease_ms(s) * 2 / 3;", "return true || age_ms(s, e);",
           "e2e test_mutants_leases Silent.test_what_is_stale_is_not_handed_over"),
    mutant("no_sweep_after_connect", "no sweep before half a lease after a connect", "consumer/sweeper.c",
           "stream_now_ms(s) + settings_of(s)->min_idle_ms / 2;", "0;",
           "e2e test_mutants_leases Reconnected.test_no_sweep_before_others_could_renew"),
    mutant("renewal_after_connect", "renewing comes first after a connect", "consumer/stream.c",
           "\tlease_renew_all(s);\n\tgroup_ensure(s);", "\tgroup_ensure(s);",
           "e2e test_mutants_leases Reconnected.test_renewal_comes_first"),
    mutant("no_sweep_after_stall", "no sweep before half a lease after a stall", "consumer/consumer.c",
           "\t\tsweeper_hold_off(&c->streams[i]);\n", "",
           "e2e test_mutants_leases Stalled.test_no_sweep_before_others_could_renew"),
    mutant("stalled_reply_is_old", "a reply that waited out a stall is as old as its request", "consumer/reader.c",
           "uint64_t fresh_at_ms = request->sent_at_ms;", "uint64_t fresh_at_ms = stream_now_ms(s);",
           "e2e test_mutants_leases Stalled.test_reply_that_waited_out_the_stall"),
    mutant("guard_on_arrival", "only what is fresh is handed over on arrival", "consumer/arrival.c",
           "lease_is_fresh(s, e) && pool_room(", "pool_room(",
           "e2e test_mutants_leases Stalled.test_reply_that_waited_out_the_stall"),
    mutant("lost_is_noticed", "what belongs to another is given up", "consumer/lease.c",
           "if (e->state != ENTRY_BEGINNING && e->state != ENTRY_BURYING)", "if (false && e)",
           "e2e test_sweep Stolen.test_failure_is_ignored"),
    mutant("lost_ok_counts", "the success of a lost entry is acknowledged", "consumer/verdict.c",
           "if (d.action == ACTION_ACK) {", "if (d.action == ACTION_ACK && !e->lost) {",
           "e2e test_mutants_leases Stolen.test_success_is_acknowledged_for_another"),
    mutant("lost_failure_is_not_told", "the failure of a lost entry is nobody's business", "consumer/verdict.c",
           "if (e->lost) {", "if (false) {",
           "e2e test_mutants_leases Stolen.test_failure_is_not_told"),
]

# --- the table of held ids, and what is found pending ---------------------------------------------

HELD = [
    mutant("held_and_read_again", "what is held and read again is not started again", "consumer/arrival.c",
           "\tif (entryset_find(&s->entries, id))\n\t\treturn;\n\te = entryset_add_ready(", "\te = entryset_add_ready(",
           "e2e test_mutants_leases HeldIds.test_redelivered"),
    several("held_and_claimed", "what is held and found stale is not started again",
            [("consumer/arrival.c", "\tif (entryset_find(&s->entries, id))\n\t\treturn;\n"
              "\te = entryset_add_waiting(&s->entries, id, stream_now_ms(s));\n\tset_up(s, e, source, attempts);",
              "\te = entryset_add_waiting(&s->entries, id, stream_now_ms(s));\n\tset_up(s, e, source, attempts);"),
             ("consumer/sweeper.c", "(!sweep_is_stale(row, settings_of(s)->min_idle_ms) ||\n"
              "\t                entryset_find(&s->entries, row->id)))",
              "!sweep_is_stale(row, settings_of(s)->min_idle_ms))")],
            "e2e test_sweep Renewal.test_own_sweep_does_not_start_a_running_entry_again"),
    mutant("held_is_not_swept", "the sweep passes over what is held", "consumer/sweeper.c",
           "(!sweep_is_stale(row, settings_of(s)->min_idle_ms) ||\n"
           "\t                entryset_find(&s->entries, row->id)))",
           "!sweep_is_stale(row, settings_of(s)->min_idle_ms))",
           "e2e test_mutants_leases HeldIds.test_not_claimed_from_ourselves"),
    several("held_and_own", "what is held is not taken for left over",
            [("consumer/arrival.c", "\tif (entryset_find(&s->entries, id))\n\t\treturn;\n"
              "\te = entryset_add_waiting(&s->entries, id, stream_now_ms(s));\n\tset_up(s, e, source, attempts);",
              "\te = entryset_add_waiting(&s->entries, id, stream_now_ms(s));\n\tset_up(s, e, source, attempts);"),
             ("consumer/recovery.c", "|| entryset_find(&s->entries, row->id) ||", "||")],
            "e2e test_sweep Renewal.test_own_sweep_does_not_start_a_running_entry_again"),
    mutant("own_before_the_first_read", "our own pending list is taken up at start", "consumer/recovery.c",
           "\t\trecovery_take_up(s, &row);\n", "", "e2e test_mutants_own_pending Start.test_taken_up_at_once"),
    mutant("no_read_before_own", "nothing is read before our own is taken up", "consumer/reader.c",
           "recovery_is_complete(s) &&", "", "e2e test_mutants_own_pending Start.test_nothing_is_read_before"),
    mutant("own_after_a_connect", "our own pending list is looked at again after a connect", "consumer/recovery.c",
           "again_at_ms = stream_now_ms(s) + over_ms;", "again_at_ms = 0 * over_ms;",
           "e2e test_mutants_own_pending LostReply.test_found_after_a_connect"),
    mutant("own_look_pauses", "a look for what nobody waits for pauses", "consumer/recovery.c",
           "(!s->recovery.complete || s->recovery.n_taken > n_before)", "(!s->recovery.complete || true || n_before)",
           "e2e test_reading Walks.test_pause_behind_a_page_without_work_only"),
    mutant("own_look_is_one", "the next look waits for the last one's end", "consumer/recovery.c",
           "\tif (!s->recovery.walk.sweep.active)\n\t\tscan(s);", "\tif (true)\n\t\tscan(s);",
           "e2e test_reading Walks.test_look_that_lasts_is_neither_cut_nor_doubled"),
    mutant("own_by_the_sweep", "the sweep looks at our own as well", "consumer/sweeper.c",
           "bool own = recovery_is_ours_to_take(s, row);", "bool own = false;",
           "e2e test_mutants_own_pending LostReply.test_found_by_the_sweep"),
    mutant("own_only_when_idle", "a reply may still be on its way", "consumer/recovery.c",
           "return !s->recovery.complete || row->idle_ms > on_its_way_ms;", "return on_its_way_ms > 0;",
           "e2e test_mutants_own_pending LostReply.test_found_by_the_sweep"),
    several("own_is_renewed", "what is taken up is renewed at once",
            [("consumer/recovery.c", "\tif (s->recovery.n_taken)\n\t\tlease_renew_all(s);\n", ""),
             ("consumer/arrival.c", "\t\te->fresh_at_ms = 0;\n", "\t\te->fresh_at_ms += 0;\n")],
            "e2e test_mutants_own_pending Start.test_lease_is_renewed_at_once"),
    mutant("name_in_use", "nothing is taken up while another works under our name", "consumer/name.c",
           "} else if (idle_ms >= alive_within_ms(s)) {", "} else if (idle_ms + 1 > 0) {",
           "e2e test_twins Twins.test_second_daemon_with_the_same_name_is_refused"),
    mutant("twin_keeps_its_own", "what another renews under our name is left alone", "consumer/recovery.c",
           " ||\n\t    twin_is_about(s))", ")",
           "e2e test_mutants_own_pending LostReply.test_left_to_a_twin_that_renews_it"),
    mutant("twin_by_idle_times", "an idle time that goes down is another's doing", "core/sightings.c",
           "return is_known;", "return false;", "unit core/test_sightings"),
    mutant("instance_lock", "one daemon for an instance on a host", "daemon/lock.c",
           "if (flock(fd, LOCK_EX | LOCK_NB)) {", "if (flock(fd, LOCK_UN)) {",
           "e2e test_cli SecondDaemon.test_same_instance_is_refused"),
    mutant("stale_only", "only what was idle for the whole lease is claimed", "core/sweep.h",
           "return row->nobody || row->idle_ms >= min_idle_ms;", "return row->nobody || min_idle_ms > 0;",
           "unit core/test_sweep"),
    mutant("begun_before_read", "what waits is begun before new entries are read", "consumer/begin.c",
           "\t\treturn credit_room_of_pool(&credit);",
           "\t\treturn credit.free > credit.ready ? credit.free - credit.ready : 0;",
           "e2e test_mutants_leases Waiting.test_backlog_does_not_starve_a_retry"),
    mutant("given_back_rests", "what was given back is not for us in this round", "consumer/sweeper.c",
           "goes_on && !s->sweeper.given_back;", "goes_on;",
           "e2e test_mutants_leases Released.test_next_round_not_this_one"),
]

# --- acknowledging, and the connection ------------------------------------------------------------

REPLIES = [
    mutant("ack_is_resent", "acknowledgements without a reply are sent again", "consumer/settler.c",
           "\ts->settler.n_batches = 0;\n\ts->settler.last_sent = NULL;\n"
           "\ts->settler.n_setting = 0;",
           "\ts->settler.n_setting = 0;",
           "e2e test_mutants_settling Acknowledgements.test_lost_with_the_server"),
    mutant("ack_without_reply_is_kept", "an acknowledgement without a reply is not over", "consumer/settler.c",
           "\tif (!r)\n\t\treturn;\n\tn = batch_over(&s->settler);",
           "\tn = batch_over(&s->settler);\n\tif (!r) {\n\t\tconfirmed(s, n, 0);\n\t\treturn;\n\t}",
           "e2e test_mutants_settling Acknowledgements.test_lost_with_the_server"),
    mutant("lost_ride_is_resent", "acknowledgements lost with the reader's connection are sent again",
           "consumer/settler.c", "\tsettler_reset(s);\n\tsettle_soon(s);", "\tsettle_soon(s);",
           "e2e test_dense_entries DenseEntries.test_never_comes_to_the_server"),
    mutant("ride_outlives_home", "what is on the reader's connection is not lost with the other one",
           "consumer/settler.c", "\tif (s->settler.is_riding)\n\t\treturn;\n", "",
           "e2e test_dense_entries DenseEntries.test_other_connection_is_lost_meanwhile"),
    mutant("ride_is_alone", "acknowledgements are unanswered on one connection at a time", "consumer/settler.c",
           "return s->settler.is_riding || by_set ?", "return by_set ?",
           "e2e test_dense_entries DenseEntries.test_never_comes_to_the_server_while_more_is_done"),
    mutant("ack_refused_is_kept", "an error is no acknowledgement", "consumer/settler.c",
           "\t\trefused(s, n, r);\n\t} else {", "\t\t(void)refused, confirmed(s, n, n);\n\t} else {",
           "e2e test_mutants_settling Acknowledgements.test_refused"),
    mutant("block_is_finite", "BLOCK is finite", "consumer/reader.c",
           "command_u64(out, block_ms);", "command_u64(out, 0);",
           "e2e test_reading Commands.test_count_and_block"),
    mutant("count_within_room", "COUNT stays within the room of the handlers", "consumer/reader.c",
           "trial_room(s->consumer, credit_room(&credit)),", "trial_room(s->consumer, UINT32_MAX / 2),",
           "e2e test_reading Bounds.test_exec_holds_little_more_than_it_runs"),
    mutant("dense_entries_gather", "dense entries are left to gather", "consumer/reader.c",
           "\tif (!r->hungry && s->consumer->n_streams == 1 &&\n", "\tif (!r && s->consumer->n_streams == 1 &&\n",
           "e2e test_reading Commands.test_dense_entries_are_read_some_at_a_time"),
    mutant("max_held", "no more than max_held entries are held", "core/credit.c",
           "will_hold < c->max_held ? c->max_held - will_hold : 0;", "UINT32_MAX + 0 * will_hold;",
           "unit core/test_credit", "e2e test_reading Bounds.test_max_held"),
    mutant("max_in_flight_bytes", "no more than max_in_flight_bytes are held", "core/credit.c",
           "c->largest_bytes ? c->bytes_left / c->largest_bytes : UINT32_MAX;", "UINT32_MAX;",
           "unit core/test_credit", "e2e test_reading Bounds.test_bytes_in_flight"),
    mutant("count_halves", "a reply that never came halves COUNT", "consumer/reader.c",
           "s->reader.count_max /= 2;", "s->reader.count_max /= 1;",
           "e2e test_mutants_settling Replies.test_lost_read_halves_the_count"),
    mutant("noscript", "forgotten scripts are loaded again", "consumer/stream.c",
           "home_scripts_forgotten(&s->home);", "(void)home_scripts_forgotten;",
           "e2e test_mutants_settling Replies.test_forgotten_scripts"),
    mutant("readonly_reader", "a reader that finds a replica connects anew", "consumer/reader.c",
           "conn_drop(s->reader.conn, \"the server is no primary any more\");", "(void)conn_drop;",
           "e2e test_mutants_settling Replies.test_server_becomes_a_replica"),
    mutant("readonly_server", "who is told of a replica connects anew", "consumer/stream.c",
           "home_heard_error(&s->home, class, r->text);", "(void)home_heard_error;",
           "e2e test_mutants_settling Replies.test_server_becomes_a_replica"),
    mutant("group_not_at_the_end", "a vanished group is not made again at $", "consumer/group.c",
           "\t\tset_start(s, s->reader.last_id);", "\t\tmemcpy(s->group.start, \"$\", sizeof(\"$\"));",
           "e2e test_mutants_settling Vanished.test_added_while_it_was_gone"),
    mutant("group_at_the_last_id", "it begins at the last id seen", "consumer/group.c",
           "\t\tset_start(s, s->reader.last_id);", "\t\tset_start(s, (struct entryid){ 0, 0 });",
           "e2e test_group Vanished.test_destroyed_group_is_recreated_where_it_was"),
    mutant("group_below_unfinished", "it begins below what is unfinished here", "consumer/group.c",
           "\tif (!holds && !s->group.has_lowest)", "\tholds = false;\n\tif (!holds && !s->group.has_lowest)",
           "e2e test_mutants_settling Vanished.test_while_an_entry_waits"),
    mutant("group_below_others", "it begins below what was pending for anybody", "consumer/group.c",
           "\tif (s->group.has_lowest)\n\t\ts->group.lowest = row.id;", "\ts->group.has_lowest = false;",
           "e2e test_mutants_settling Vanished.test_while_another_holds_an_entry"),
    mutant("group_at_0_when_new", "it begins at 0 when the stream itself is new", "consumer/group.c",
           "\tif (stream_is_new)\n", "\tif (stream_is_new && !s->group.seen)\n",
           "e2e test_mutants_settling Vanished.test_stream_is_another_one"),
    mutant("group_at_0_when_refilled", "it begins at 0 when the stream is new and has gone on above", "consumer/group.c",
           "if (!reply_is_error(r) && may_be_another(s, r)) {", "if (!may_be_another(s, r) && !r) {",
           "e2e test_group Vanished.test_stream_is_replaced_by_one_that_goes_on_above"),
    mutant("large_is_put_aside", "what the server does not send is put aside", "consumer/begin.c",
           "if (e->n_unfetched < UNFETCHED_FOR_NOW)", "if (e)",
           "e2e test_large_entries TooLargeToSend.test_one_entry_is_put_aside"),
    mutant("sizes_first", "after a lost reply the sizes are asked for first", "consumer/begin.c",
           "if (e->n_unfetched == UNFETCHED_SUSPECT && most > SMALL_BYTES)", "if (!e)",
           "e2e test_large_entries TooLargeToSend.test_one_entry_is_put_aside"),
    mutant("oversize_stays_there", "what is over max_entry_bytes is not begun", "redis/begin.lua",
           "if ours and entry and bytes <= bytes_max then", "if ours and entry then",
           SCRIPTS + "Begin.test_what_is_too_large_is_not_begun",
           "e2e test_large_entries TooLargeToSend.test_over_max_entry_bytes_too"),
]

# --- the guard against doing an entry twice -------------------------------------------------------

ONCE = [
    mutant("guard_before_run", "what has a guard key is looked up before it runs", "consumer/arrival.c",
           "if (once_guards(s, e, &v.fields)) {", "if (once_guards(s, e, &v.fields) && !s) {",
           "e2e test_once Skipped.test_duplicate"),
    mutant("guard_set_with_ack", "the key is set by the script that acknowledges", "redis/ack.lua",
           "\tredis.call('SET', KEYS[i], '1', 'PX', ARGV[3], 'NX')\n", "",
           SCRIPTS + "Ack.test_guards_are_set", "e2e test_once Sets.test_success"),
    mutant("guard_spares_others", "a key that is there already stays as it is", "redis/ack.lua",
           "ARGV[3], 'NX')", "ARGV[3])",
           SCRIPTS + "Ack.test_what_is_there_stays", "e2e test_once Sets.test_what_else_has_that_name_stays"),
    mutant("guard_set_before_ack_without_scripts", "without scripts: XACK only when the keys are there",
           "consumer/settler.c", "if (!t->set_refused) {", "if (s) {",
           "e2e test_once NotSet.test_refused_without_scripts"),
    mutant("no_answer_no_run", "a look-up that is refused lets nothing run", "consumer/once.c",
           "\t\tonce_redis_error(s, \"looking up guard keys\", r);\n",
           "\t\tonce_redis_error(s, \"looking up guard keys\", r);\n"
           "\t\tfor (size_t i = 0; i < b->len; i++)\n"
           "\t\t\tentryset_move(&s->entries, entryset_find(&s->entries, b->items[i].id), ENTRY_READY);\n"
           "\t\tarrival_want_turn(s);\n",
           "e2e test_once NoAnswer.test_refused"),
    mutant("skipped_sets_nothing", "only what was done sets a key", "consumer/once.c",
           "	return s->once.pattern && !e->skipped &&\n", "	return s->once.pattern &&\n",
           "e2e test_once Skipped.test_a_skip_is_no_success"),
    mutant("guards_do_not_lead_away", "ASK for a key that was never there says nothing about the stream",
           "consumer/once.c", "if (s->once.pattern && r->text.len >= 4", "if (!s && r->text.len >= 4",
           "e2e test_once_cluster Cluster.test_slot_on_the_move"),
    mutant("unchecked_go_back", "a drain gives back what is being looked up", "consumer/consumer.c",
           "	       (e = entryset_first(&s->entries, ENTRY_CHECKING))) {", "	       (e = NULL)) {",
           "e2e test_once Leaving.test_drain"),
]

# --- draining -------------------------------------------------------------------------------------

DRAINING = [
    mutant("drain_gives_back", "a drain gives back what it holds", "consumer/consumer.c",
           "\t\t\tgive_back(&c->streams[i]);\n", "\t\t\t(void)give_back;\n",
           "e2e test_leaving Finishing.test_entry_that_waits_keeps_its_delay"),
    mutant("drain_keeps_the_delay", "what waits keeps what is left of its delay", "consumer/consumer.c",
           "e->due.key > now_ms ? e->due.key - now_ms : 0;", "0 * now_ms;",
           "e2e test_leaving Finishing.test_entry_that_waits_keeps_its_delay"),
    mutant("drain_waits_for_redis", "a drain waits until Redis has been told", "consumer/consumer.c",
           "c->totals.n_held || c->n_reads ||\n\t    is_claiming(c))", "(is_claiming(c) && !c))",
           "e2e test_mutants_settling GivenBack.test_waits_until_redis_has_answered"),
    mutant("drain_ends_the_read", "a drain ends the blocked read", "consumer/consumer.c",
           "\t\treader_unblock(&c->streams[i]);\n", "\t\t(void)reader_unblock;\n",
           "e2e test_leaving Finishing.test_idle_daemon_leaves_at_once"),
    mutant("drain_waits_for_claims_only", "a page of the pending list is not waited for", "consumer/consumer.c",
           "c->streams[i].sweeper.claiming)", "c->streams[i].sweeper.walk.asked)",
           "e2e test_leaving Finishing.test_leaves_at_once_when_a_silent_server_could_bring_nothing"),
    mutant("drain_has_an_end", "runs that take too long are ended", "daemon/daemon.c",
           "\telse if (d->state == DAEMON_DRAINING)\n\t\thurry(d);\n\telse if (d->state != DAEMON_RUNNING)",
           "\telse if (d->state != DAEMON_RUNNING && d->state != DAEMON_DRAINING)",
           "e2e test_leaving Finishing.test_run_that_is_too_long_is_given_back_uncharged"),
    mutant("second_signal", "a second signal hurries", "daemon/daemon.c",
           "\telse if (d->state == DAEMON_DRAINING)\n\t\thurry(d);\n\telse\n",
           "\telse if (d->state != DAEMON_DRAINING)\n",
           "e2e test_leaving Finishing.test_second_signal_hurries"),
    mutant("drain_kill_is_no_success", "a run that the drain ended is not done, whatever it exits with",
           "core/ending.c",
           "if (end->cause == KILL_DRAIN)\n\t\treturn released(end);\n\tending_describe(",
           "(void)released;\n\tending_describe(",
           "unit core/test_ending",
           "e2e test_leaving Finishing.test_run_that_ends_with_0_when_told_to_end_is_not_done"),
]

# --- the breaker ----------------------------------------------------------------------------------

BREAKERS = [
    mutant("breaker_opens", "the breaker opens", "core/breaker.c",
           "if (b->state != BREAKER_CLOSED || !cause)", "if (b->state != BREAKER_CLOSED || !cause || b)",
           BREAKER + "test_opens_and_reads_nothing_more"),
    mutant("breaker_by_streak", "a streak of failures opens it", "core/breaker.c",
           "return open_if(b, b->n_failed >= streak);", "return open_if(b, false && streak);",
           BREAKER + "test_streak_of_failures_opens_it"),
    mutant("breaker_streak_of_different", "one entry that fails again and again is no streak", "core/breaker.c",
           "if (!is_in_streak(b, entry))", "if (!is_in_streak(b, entry) || b)",
           "e2e test_mutants_breaker Streak.test_one_entry_is_no_streak"),
    mutant("breaker_streak_of_many", "entries that fail in turn are no longer streak than they are many", "core/breaker.c",
           "uint32_t n = b->n_failed < BREAKER_STREAK_MAX ? b->n_failed : BREAKER_STREAK_MAX;", "uint32_t n = b->n_failed > 0;",
           "unit core/test_breaker"),
    mutant("breaker_no_read", "nothing is read while it is open", "consumer/trial.c",
           "return room && trial_needs_entry(c) ? 1 : 0;", "return room;",
           BREAKER + "test_opens_and_reads_nothing_more"),
    mutant("breaker_no_hand_over", "nothing is handed over while it is open", "consumer/arrival.c",
           "\tif (trial_is_over(c))\n\t\thand_over_all(c);", "\tif (trial_is_over(c) || c)\n\t\thand_over_all(c);",
           BREAKER + "test_tries_one_entry_after_each_cooldown"),
    mutant("breaker_probe_is_free", "a failed try charges nothing", "core/breaker.c",
           "\t\tforgive(o);\n", "\t\t(void)forgive;\n",
           "e2e test_mutants_breaker Probe.test_charges_nothing"),
    mutant("breaker_probe_another", "the one that failed last is not tried where there is another", "core/breaker.c",
           "(!others || !same(entry, b->last_failed));", "(others || entry.origin);",
           "e2e test_mutants_breaker Probe.test_not_the_one_that_failed_last"),
    mutant("breaker_doubles", "the cooldown doubles", "core/breaker.c",
           "b->cooldown_ms = longer(b->cooldown_ms);", "(void)longer;",
           BREAKER + "test_tries_one_entry_after_each_cooldown"),
    mutant("breaker_closes", "a success closes it", "core/breaker.c",
           "\tb->state = BREAKER_CLOSED;\n", "", BREAKER + "test_success_closes_it"),
    mutant("breaker_blames_the_entry", "who breaks the handler twice, with successes between, is charged",
           "core/breaker.c",
           "return m && m->n_successes < b->n_successes;", "return m && m->n_successes > b->n_successes;",
           "e2e test_breaker OneBadEntry.test_entry_that_breaks_the_handler_is_charged_once_others_succeed"),
    mutant("breaker_one_event", "what one worker held when it broke is one event", "core/breaker.c",
           "bool same_event = pid && pid == b->last_broken_pid;", "bool same_event = false;",
           "e2e test_mutants_breaker Broken.test_a_window_of_entries_is_one_event"),
    mutant("proven_only_by_success", "a worker is proven by its first success", "handler/worker.c",
           ".proven = w->proven,", ".proven = true,",
           BREAKER + "test_unproven_death_charges_nobody", "component handler/test_worker_failures"),
    mutant("broken_statuses", "some exit statuses mean a broken handler", "core/ending.c",
           "\tcase EXIT_MEANS_BROKEN:\n\t\treturn broken(end, detail);\n", "\tcase EXIT_MEANS_BROKEN:\n\t\tbreak;\n",
           "unit core/test_ending", "e2e test_exec ExitTable.test_127_is_broken"),
]

# --- handlers -------------------------------------------------------------------------------------

HANDLERS = [
    mutant("output_before_verdict", "what was printed before a verdict is read before it counts", "handler/child.c",
           "\tread_what_was_printed(c);\n\tif (n == 0)", "\t(void)read_what_was_printed;\n\tif (n == 0)",
           "e2e test_mutants_handlers Output.test_last_words_are_in_the_record"),
    mutant("last_words", "what was said before the end is read", "handler/child.c",
           "\tread_to_the_end(c);\n", "\t(void)read_to_the_end;\n",
           "e2e test_mutants_handlers Ends.test_verdict_and_end_at_once"),
    mutant("worker_exit_0", "exit status 0 with entries unfinished is no success", "core/ending.c",
           "\tif (o.exit_status == 0)\n"
           "\t\tsnprintf(text->text, sizeof(text->text), \"exit status 0 with the entry unfinished\");\n",
           "\tif (o.exit_status == 0) {\n\t\to.verdict = VERDICT_OK;\n\t\treturn o;\n\t}\n",
           "unit core/test_ending"),
    mutant("ok_needs_a_clean_end", "exec: who says ok and dies is not done", "core/ending.c",
           "if (said && clean)", "if (said && (clean || said))",
           "unit core/test_ending", "e2e test_exec VerdictLines.test_dying_after_ok_is_dying"),
    mutant("timeout_is_terminal", "exec: exit status 0 after the timeout is no success", "core/ending.c",
           "\tif (end->cause == KILL_TIMEOUT)\n\t\treturn timed_out(end, text);\n\tif (said && clean)",
           "\tif (said && clean)",
           "unit core/test_ending", "e2e test_exec ExitTable.test_timeout_and_then_exit_status_0"),
    mutant("late_verdict_of_a_run", "exec: a verdict after the timeout does not count", "handler/exec.c",
           "if (r->has_said || r->cause == KILL_TIMEOUT)", "if (r->has_said)",
           "component handler/test_exec"),
    mutant("broken_when_gone", "side by side: a broken worker's entries are its own until it is gone", "handler/obey.c",
           "if (w->common->settings->parallel && before) {", "if (w->common->settings->parallel && !before) {",
           "component handler/test_worker_failures"),
    mutant("late_verdict_of_a_worker", "a verdict on what timed out does not count", "handler/obey.c",
           "\tif (slot->timed_out)\n\t\treturn;\n\tw->served = true;", "\tw->served = true;",
           "component handler/test_worker_failures"),
    mutant("neighbours_are_free", "one after the other: only the oldest is charged", "core/ending.c",
           "w->n_read == 1 : place == HELD_OLDEST)", "w->n_read == 1 : place != HELD_TIMED_OUT)",
           "unit core/test_ending", "e2e test_worker_failures Crash.test_exit_charges_the_oldest"),
    mutant("unread_is_free", "what the worker had not read is not charged", "core/ending.c",
           "\tif (place == HELD_UNREAD)\n\t\treturn back_uncharged(w);\n", "",
           "unit core/test_ending"),
    mutant("side_by_side_is_free", "side by side: nobody is charged where several were read", "core/ending.c",
           "w->parallel ? w->n_read == 1 :", "w->parallel ? w->n_read > 0 :",
           "unit core/test_ending", "e2e test_worker_failures Crash.test_parallel_suspects_are_run_alone"),
    mutant("suspects_alone", "side by side: suspects are run again alone", "core/ending.c",
           "o.suspect = w->parallel;", "o.suspect = false;",
           "unit core/test_ending"),
    mutant("group_is_signalled", "SIGTERM goes to the whole group", "handler/child.c",
           "kill(-c->pid, signal);", "kill(c->pid, signal);",
           "e2e test_exec_input Process.test_timeout_kills_the_whole_group"),
    mutant("sigkill_follows", "SIGKILL follows when the grace is over", "handler/child.c",
           "\t\tc->kill_sent = true;\n\t\tsignal_group(c, SIGKILL);", "\t\tc->kill_sent = true;",
           "component handler/test_exec", "e2e test_exec ExitTable.test_timeout_with_sigterm_ignored"),
    mutant("stopped_is_continued", "a stopped process gets to see SIGTERM", "handler/child.c",
           "\tsignal_group(c, SIGCONT); /* a stopped process would not get to see it */\n", "",
           "e2e test_mutants_handlers Ends.test_stopped_handler_may_clean_up"),
    several("input_is_whole", "a handler gets its whole input or none",
            [("handler/input.c", "bytes.len <= PIPE_BYTES", "bytes.len <= (size_t)1 << 60"),
             ("handler/input.c", "== (ssize_t)bytes.len;", ">= 0;")],
            "component handler/test_exec", "e2e test_exec_input Stdin.test_field_larger_than_a_pipe"),
    mutant("first_verdict_counts", "exec: the first verdict counts", "handler/exec.c",
           "if (r->has_said || r->cause == KILL_TIMEOUT)", "if (r->cause == KILL_TIMEOUT)",
           "e2e test_exec VerdictLines.test_first_terminal_verdict_counts"),
    mutant("window", "no more than the window is outstanding in a worker", "handler/worker.c",
           "return (uint32_t)w->common->settings->window - w->held.n;", "return (uint32_t)w->common->settings->window;",
           "component handler/test_worker"),
    mutant("unended_line", "a line that the end of the worker cut short does not count", "handler/obey.c",
           "\tif (end == LINE_UNENDED)\n\t\treturn false;\n\tif (end == LINE_WHOLE &&", "\tif (end != LINE_CUT &&",
           "component handler/test_worker_failures"),
]

# --- every way through the daemon ------------------------------------------------------------------

WAYS = [
    mutant("bytes_that_moved", "a reply that came in part is found again where its bytes are now", "redis/entryscan.c",
           "\t\tshift(s->fields, s->n_fields_done, by);\n", "", EVERY_WAY),
    mutant("fields_of_the_run", "begin: the fields are those of the entry", "redis/begin.lua",
           "answers[i / 2 - 1] = told\n",
           "answers[i / 2 - 1] = type(told) ~= 'table' and told or redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1][2]\n", EVERY_WAY),
    mutant("begin_writes_the_run_without_scripts", "the same count by plain commands", "consumer/begin.c",
           '{ "RETRYCOUNT", run, NULL }', '{ "IDLE", run[0] ? "0" : "1", NULL }', EVERY_WAY),
    mutant("record_without_scripts", "a record is added by plain commands too", "consumer/undertaker.c",
           "\t\tif (s->dead_letters)\n\t\t\tadd_record(s, e,", "\t\tif (!s->dead_letters)\n\t\t\tadd_record(s, e,",
           EVERY_WAY),
    mutant("every_id_of_a_batch", "XACK names every entry of a large batch", "consumer/settler.c",
           "\t\tcommand_id(out, e->id);\n",
           "\t\tcommand_id(out, i > 10 ? container_of(node->prev, struct entry, node)->id : e->id);\n", EVERY_WAY),
    mutant("every_tag_of_a_line", "each tag of a line is obeyed", "handler/obey.c",
           "\t\tslot = held_find(&w->held, tag);\n\t\tif (slot)", "\t\tslot = held_find(&w->held, tag);\n\t\tif (slot && !tags.len)",
           EVERY_WAY),
    mutant("large_input_from_its_start", "input too large for a pipe is read from its start", "handler/input.c",
           "return lseek(fd, 0, SEEK_SET) < 0 ? -errno : 0;", "return 0;", EVERY_WAY),
]

TRIM = "e2e test_trim_script "
RETENTION = [
    mutant("trim_over_all_groups", "trim: every group counts, not only one", "redis/trim.lua",
           "for _, g in ipairs(groups()) do\n\t\tlocal oldest", "for _, g in ipairs({ groups()[1] }) do\n\t\tlocal oldest",
           TRIM + "Acknowledged.test_stops_at_the_group_that_lags",
           "e2e test_retention Kinds.test_acknowledged_waits_for_the_group_that_lags_and_for_what_is_pending"),
    mutant("trim_pending_stays", "trim: what is pending is not finished", "redis/trim.lua",
           "floor = oldest and lower(oldest[1], floor) or floor", "oldest = floor",
           TRIM + "Acknowledged.test_stops_at_the_oldest_pending_of_any_group"),
    mutant("trim_unread_stays", "trim: what a group has yet to read is not finished", "redis/trim.lua",
           "floor = lower(behind(g['last-delivered-id']), floor)",
           "if not oldest then floor = lower(behind(g['last-delivered-id']), floor) end",
           TRIM + "Acknowledged.test_a_group_that_was_set_back"),
    mutant("trim_without_groups", "trim: without a group nothing is acknowledged", "redis/trim.lua",
           "low and trim('MINID', low) or 0", "trim('MINID', low or highest)",
           TRIM + "Acknowledged.test_without_a_group_nobody_has_acknowledged"),
    mutant("trim_in_steps", "trim: a step is bounded", "redis/trim.lua",
           "'~', threshold, 'LIMIT', step)", "'~', threshold, 'LIMIT', 0)",
           TRIM + "Steps.test_no_step_is_larger_than_a_thousand"),
    mutant("trim_by_turns", "trim: one daemon of the group in an interval", "consumer/retention.c",
           "bool begins = !t->until_ms;", "bool begins = false;",
           "e2e test_retention Turns.test_not_while_another_has_the_lock"),
]

# --- what sluicectl changes ------------------------------------------------------------------------

GROUP = "e2e test_ctl_group "
REDRIVE = "e2e test_ctl_dead Redrive."

BY_HAND = [
    mutant("ctl_rm_pending", "a consumer is removed only with nothing pending", "ctl/remove.lua",
           "elseif consumer.pending > 0 then", "elseif false then",
           GROUP + "Consumers.test_rm_with_pending_entries"),
    mutant("ctl_handover_gone", "a handover looks at the data first", "ctl/handover.lua",
           "if gone(rows[i][1]) then", "if false then",
           GROUP + "Consumers.test_handover_records_what_has_lost_its_data"),
    mutant("ctl_claim_gone", "a claim by hand looks at the data first", "ctl/claim.lua",
           "if gone(id) then", "if false then",
           GROUP + "Claim.test_what_has_lost_its_data_is_told_and_left"),
    mutant("ctl_redrive_pending", "the record of an entry that is pending is kept", "ctl/redrive.lua",
           "elseif pending(id) then", "elseif false then",
           REDRIVE + "test_what_cannot_be_given_back_is_kept"),
    mutant("ctl_redrive_gone", "the record of an entry that is no longer in the stream is kept", "ctl/redrive.lua",
           "elseif gone(id) then", "elseif false then",
           REDRIVE + "test_what_cannot_be_given_back_is_kept"),
    mutant("ctl_redrive_end", "what dies again meanwhile is not redriven", "ctl/records.c",
           "ask_range(w, from, last.text, n_asked)", "ask_range(w, from, last.text[0] ? \"+\" : \"\", n_asked)",
           REDRIVE + "test_what_dies_again_meanwhile_is_not_redriven_for_ever"),
    mutant("ctl_two_things_one_id", "an id that may be two things changes nothing", "ctl/records.c",
           "if (!r->ids[i].is_record || !r->ids[i].is_entry)", "if (r)",
           "e2e test_ctl_dead Looking.test_id_of_a_record_and_of_another_entry"),
]

MUTANTS = OWNER + DEAD_LETTERS + ATTEMPTS + LEASES + HELD + REPLIES + ONCE + DRAINING + BREAKERS + HANDLERS + WAYS
MUTANTS += RETENTION + BY_HAND


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def changed_files(one, src):
    """{path: text} of the files that the mutant changes; each edit's text must be there once."""
    changed = {}
    for edit in one.edits:
        path = os.path.join(src, edit.file)
        text = changed.get(path) or read(path)
        if text.count(edit.text) != 1:
            raise ValueError(f"{one.name}: its text is {text.count(edit.text)} times in {edit.file}: {edit.text!r}")
        changed[path] = text.replace(edit.text, edit.replacement)
    return changed


def test_is_there(root, test):
    kind, name, *case = test.split()
    if kind != "e2e":
        return os.path.exists(f"{root}/tests/{kind}/{name}.c")
    path = f"{root}/tests/e2e/{name}.py"
    if not os.path.exists(path):
        return False
    text, (wanted_class, method) = read(path), case[0].split(".")
    return f"class {wanted_class}(" in text and f"def {method}(" in text


def faults(root):
    """What is wrong with the table."""
    found = [f"{one.name}: there is no test {test}"
             for one in MUTANTS for test in one.tests if not test_is_there(root, test)]
    for name, times in collections.Counter(one.name for one in MUTANTS).items():
        if times > 1:
            found.append(f"{name}: more than one mutant has this name")
    for one in MUTANTS:
        try:
            changed_files(one, f"{root}/src")
        except (OSError, ValueError) as why:
            found.append(str(why))
    return found
