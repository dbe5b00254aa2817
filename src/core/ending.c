/* SPDX-License-Identifier: MIT */
#include "core/ending.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* What every outcome says of the process. */
static struct outcome outcome_of(const struct ending *end)
{
	int status = end->wait_status;

	return (struct outcome){
		.pid = end->pid,
		.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.stderr_tail = end->stderr_tail,
	};
}

void ending_describe(int wait_status, struct ending_text *ret_text)
{
	char *to = ret_text->text;

	if (WIFSIGNALED(wait_status))
		snprintf(to, sizeof(ret_text->text), "%s", signal_name(WTERMSIG(wait_status)));
	else
		snprintf(to, sizeof(ret_text->text), "exit status %d", WEXITSTATUS(wait_status));
}

static void describe_timeout(uint64_t timeout_ms, struct ending_text *ret_text)
{
	bool whole = timeout_ms % 1000 == 0;

	snprintf(ret_text->text, sizeof(ret_text->text), "timed out after %llu %s",
	    (unsigned long long)(whole ? timeout_ms / 1000 : timeout_ms), whole ? "s" : "ms");
}

static struct outcome failed(struct outcome o, enum failure failure, const char *detail)
{
	o.verdict = VERDICT_RETRY;
	o.failure = failure;
	o.charged = true;
	o.detail = slice_of(detail);
	return o;
}

static struct outcome timed_out(const struct ending *end, struct ending_text *text)
{
	describe_timeout(end->timeout_ms, text);
	return failed(outcome_of(end), FAILURE_TIMEOUT, text->text);
}

static struct outcome released(const struct ending *end)
{
	struct outcome o = outcome_of(end);

	o.verdict = VERDICT_RELEASE;
	o.detail = slice_of("the drain ran out of time");
	return o;
}

static struct outcome broken(const struct ending *end, const char *detail)
{
	struct outcome o = outcome_of(end);

	o.verdict = VERDICT_BROKEN;
	o.failure = FAILURE_BROKEN;
	o.detail = slice_of(detail);
	return o;
}

static struct outcome by_signal_or_status(const struct ending *end, const struct exit_codes *codes,
    const char *detail)
{
	struct outcome o = outcome_of(end);

	if (o.signal)
		return failed(o, FAILURE_SIGNAL, detail);
	switch ((enum exit_meaning)codes->meaning[o.exit_status]) {
	case EXIT_MEANS_OK:
		o.verdict = VERDICT_OK;
		return o;
	case EXIT_MEANS_DROP:
		o.verdict = VERDICT_DROP;
		o.detail = slice_of(detail);
		return o;
	case EXIT_MEANS_BROKEN:
		return broken(end, detail);
	case EXIT_MEANS_DEAD:
		o = failed(o, FAILURE_EXIT, detail);
		o.verdict = VERDICT_DEAD;
		return o;
	case EXIT_MEANS_RETRY:
		break;
	}
	return failed(o, FAILURE_EXIT, detail);
}

static struct outcome as_said(const struct ending *end, const struct outcome *said)
{
	struct outcome o = *said, process = outcome_of(end);

	o.pid = process.pid;
	o.exit_status = process.exit_status;
	o.signal = process.signal;
	o.stderr_tail = process.stderr_tail;
	return o;
}

static bool says_done(const struct outcome *said)
{
	return said->verdict == VERDICT_OK || said->verdict == VERDICT_DROP;
}

struct outcome ending_of_run(const struct ending *end, const struct exit_codes *codes,
    const struct outcome *said, struct ending_text *text)
{
	bool clean = WIFEXITED(end->wait_status) && WEXITSTATUS(end->wait_status) == 0;

	if (said && !says_done(said))
		return as_said(end, said);
	if (end->cause == KILL_TIMEOUT)
		return timed_out(end, text);
	if (said && clean)
		return as_said(end, said);
	if (end->cause == KILL_DRAIN)
		return released(end);
	ending_describe(end->wait_status, text);
	return by_signal_or_status(end, codes, text->text);
}

static bool status_means_broken(const struct worker_end *w)
{
	int status = w->end.wait_status;

	return WIFEXITED(status) && w->codes->meaning[WEXITSTATUS(status)] == EXIT_MEANS_BROKEN;
}

bool ending_is_broken(const struct worker_end *w)
{
	switch (w->end.cause) {
	case KILL_NONE:
		return status_means_broken(w) || !w->proven;
	case KILL_PROTOCOL:
	case KILL_START:
		return !w->proven;
	case KILL_TIMEOUT:
	case KILL_DRAIN:
	case KILL_OVERDUE:
		return false;
	}
	return false;
}

/* To be run again here at once, as if this run had not been. A suspect stays one. */
static struct outcome back_uncharged(const struct worker_end *w)
{
	struct outcome o = outcome_of(&w->end);

	o.verdict = VERDICT_RETRY;
	o.has_delay = true;
	o.suspect = w->alone;
	return o;
}

static struct outcome charged_with_death(const struct worker_end *w, struct ending_text *text)
{
	struct outcome o = outcome_of(&w->end);

	ending_describe(w->end.wait_status, text);
	if (o.exit_status == 0)
		snprintf(text->text, sizeof(text->text), "exit status 0 with the entry unfinished");
	return failed(o, o.signal ? FAILURE_SIGNAL : FAILURE_EXIT, text->text);
}

struct outcome ending_of_worker(const struct worker_end *w, struct ending_text *text)
{
	static const char *const why[] = {
		[KILL_NONE] = "",
		[KILL_TIMEOUT] = ", killed for an entry that timed out",
		[KILL_DRAIN] = ", killed when the drain ran out of time",
		[KILL_PROTOCOL] = ", killed for too many lines that are no verdicts",
		[KILL_START] = ", killed because it did not say ready",
		[KILL_OVERDUE] = ", killed because it did not leave",
	};
	struct ending_text how = { "" };

	ending_describe(w->end.wait_status, &how);
	snprintf(text->text, sizeof(text->text), "%.40s%s", how.text, why[w->end.cause]);
	return broken(&w->end, text->text);
}

struct outcome ending_of_no_start(int error, struct ending_text *text)
{
	snprintf(text->text, sizeof(text->text), "cannot be started: %s", strerror(-error));
	return (struct outcome){
		.verdict = VERDICT_BROKEN,
		.failure = FAILURE_BROKEN,
		.exit_status = -1,
		.detail = slice_of(text->text),
	};
}

static struct outcome of_its_own_death(const struct worker_end *w, enum held_place place,
    struct ending_text *text)
{
	struct outcome o;

	if (status_means_broken(w) || (!w->proven && !w->alone)) {
		ending_describe(w->end.wait_status, text);
		return broken(&w->end, text->text);
	}
	if (place == HELD_UNREAD)
		return back_uncharged(w);
	if (w->parallel ? w->n_read == 1 : place == HELD_OLDEST)
		return charged_with_death(w, text);
	o = back_uncharged(w);
	o.suspect = w->parallel;
	return o;
}

struct outcome ending_of_held(const struct worker_end *w, enum held_place place,
    struct ending_text *text)
{
	if (place == HELD_TIMED_OUT)
		return timed_out(&w->end, text);
	if (w->end.cause == KILL_DRAIN)
		return released(&w->end);
	if (w->end.cause != KILL_NONE)
		return back_uncharged(w);
	return of_its_own_death(w, place, text);
}
