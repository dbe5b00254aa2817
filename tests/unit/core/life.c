/* SPDX-License-Identifier: MIT */
/*
 * The steps: what a daemon may do next with an entry, and what may befall it. Each takes a copy of
 * the world, returns whether it can happen there, and leaves the copy as it would be then.
 */
#include "life.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "core/entryset.h"
#include "core/policy.h"

static bool mutated(const struct life *l, enum mutant m)
{
	return l->scope->mutant == m;
}

void life_wrong(struct life *l, enum wrong what)
{
	if (!l->w->wrong)
		l->w->wrong = (uint8_t)what;
}

/* ---- moves ---- */

static bool is_leased(const struct view *v)
{
	return v->state == ENTRY_WAITING || v->state == ENTRY_BEGINNING || v->state == ENTRY_READY ||
	       v->state == ENTRY_RUNNING || v->state == ENTRY_BURYING;
}

static void move(struct life *l, enum entry_state to)
{
	struct view *v = l->view;

	if (!entry_state_allows((enum entry_state)v->state, to))
		life_wrong(l, WRONG_MOVE);
	v->state = (uint8_t)to;
	v->command = IDLE;
	/* What no later step looks at must not part states. */
	if (!is_leased(v)) {
		v->late = v->lost = v->trimmed = false;
		v->renewal = IDLE;
	}
	if (to != ENTRY_RELEASING && !is_leased(v))
		v->attempts = 0;
}

static void forget(struct life *l)
{
	move(l, ENTRY_GONE);
}

static void arrive(struct life *l, enum entry_state state, uint8_t attempts)
{
	if (life_is_held(l->view))
		return;
	l->view->state = (uint8_t)state;
	l->view->attempts = attempts;
	l->view->command = IDLE;
}

static void forgive(struct life *l)
{
	if (l->row->begun)
		l->row->begun--;
	if (l->view->attempts && !mutated(l, MUTANT_FORGIVEN_CHARGED))
		l->view->attempts--;
}

/* ---- arriving ---- */

static bool read_new(struct life *l)
{
	if (l->row->where != NEW || life_is_held(l->view))
		return false;
	server_read(l);
	l->view->reading = true;
	return true;
}

static bool read_arrives(struct life *l)
{
	if (!l->view->reading)
		return false;
	l->view->reading = false;
	arrive(l, ENTRY_READY, 1);
	return true;
}

static bool read_lost(struct life *l)
{
	if (!l->view->reading)
		return false;
	l->view->reading = false;
	l->row->faulted = true;
	return true;
}

static bool free_for_a_page(const struct life *l)
{
	return l->row->where == PENDING && l->view->command == IDLE && !life_is_held(l->view);
}

static bool see_stale(struct life *l)
{
	bool stale = l->row->stale || mutated(l, MUTANT_CLAIM_FRESH);

	if (l->row->where == PENDING && stale && life_is_held(l->view) &&
	    mutated(l, MUTANT_NO_TABLE)) {
		life_wrong(l, WRONG_STARTED_TWICE);
		return true;
	}
	if (!free_for_a_page(l) || !stale || life_is_ours(l) || mutated(l, MUTANT_NO_SWEEP))
		return false;
	l->view->command = SEEN_STALE;
	l->view->attempts = l->row->count;
	return true;
}

static bool see_ours(struct life *l)
{
	/* What has been idle for longer than a read can last is on its way no more. */
	bool may_be_on_its_way = l->view->reading && !mutated(l, MUTANT_TAKEN_UP_AT_ONCE);

	if (!free_for_a_page(l) || !life_is_ours(l) || may_be_on_its_way ||
	    mutated(l, MUTANT_NO_TAKE_UP))
		return false;
	l->view->command = SEEN_OURS;
	l->view->attempts = l->row->count;
	return true;
}

static void not_taken(struct life *l)
{
	l->view->command = IDLE;
	l->view->attempts = 0;
}

static bool claim(struct life *l)
{
	if (l->view->command != SEEN_STALE)
		return false;
	if (server_claim(l) == CLAIMED)
		l->view->command = CLAIMED;
	else
		not_taken(l);
	return true;
}

static bool is_taken(const struct life *l)
{
	return !life_is_held(l->view) && (l->view->command == CLAIMED || l->view->command == SEEN_OURS);
}

static struct retry_settings retry_of(const struct scope *scope)
{
	return (struct retry_settings){ .max_attempts = scope->max_attempts, .multiplier = 1 };
}

static bool taken_arrives(struct life *l)
{
	struct retry_settings retry = retry_of(l->scope);
	struct policy policy = { .retry = &retry };

	if (!is_taken(l))
		return false;
	arrive(l, ENTRY_WAITING, l->view->attempts);
	if (policy_kills_daemons(&policy, l->view->attempts))
		move(l, ENTRY_BURYING);
	return true;
}

static bool taken_lost(struct life *l)
{
	if (!is_taken(l))
		return false;
	not_taken(l);
	return true;
}

/* ---- commands about what is held ---- */

static bool has_command(uint8_t state)
{
	return state == ENTRY_BEGINNING || state == ENTRY_ACKING || state == ENTRY_BURYING ||
	       state == ENTRY_RELEASING;
}

static void carry_out(struct life *l, bool refuses)
{
	enum command answer;

	if (l->view->state == ENTRY_BEGINNING)
		answer = server_begin(l);
	else if (l->view->state == ENTRY_ACKING)
		answer = server_ack(l);
	else if (l->view->state == ENTRY_BURYING)
		answer = server_bury(l, refuses);
	else
		answer = server_release(l);
	l->view->command = (uint8_t)answer;
}

static bool begin(struct life *l)
{
	if (l->view->state != ENTRY_WAITING)
		return false;
	move(l, ENTRY_BEGINNING);
	l->view->command = SENT;
	if (!l->scope->in_transit)
		carry_out(l, false);
	return true;
}

static bool send(struct life *l)
{
	if (!has_command(l->view->state) || l->view->command != IDLE)
		return false;
	l->view->command = SENT;
	if (!l->scope->in_transit)
		carry_out(l, false);
	return true;
}

static bool carried_out(struct life *l)
{
	if (!has_command(l->view->state) || l->view->command != SENT)
		return false;
	carry_out(l, false);
	return true;
}

static bool refused(struct life *l)
{
	if (l->view->state != ENTRY_BURYING || l->view->command != SENT)
		return false;
	carry_out(l, true);
	return true;
}

static void lease_lost(struct life *l)
{
	if (l->view->state == ENTRY_RUNNING)
		*l->view = (struct view){ .state = ENTRY_RUNNING, .lost = true, .late = true };
	else
		forget(l);
}

static void seen_trimmed(struct life *l)
{
	l->view->trimmed = !l->view->lost;
	if (l->view->state == ENTRY_WAITING || l->view->state == ENTRY_BEGINNING)
		move(l, ENTRY_BURYING);
}

static void begun(struct life *l)
{
	l->view->attempts++;
	l->view->late = false;
	move(l, ENTRY_READY);
}

static void begin_answered(struct life *l, enum command answer)
{
	if (answer == DONE)
		begun(l);
	else if (answer == WITHOUT_DATA)
		seen_trimmed(l);
	else
		lease_lost(l);
}

static bool is_answered(const struct life *l)
{
	return has_command(l->view->state) && l->view->command >= DONE && l->view->command < STUCK;
}

static bool answer_arrives(struct life *l)
{
	enum command answer = (enum command)l->view->command;

	if (!is_answered(l))
		return false;
	l->view->command = IDLE;
	if (l->view->state == ENTRY_BEGINNING)
		begin_answered(l, answer);
	else if (answer != REFUSED)
		forget(l);
	return true;
}

static bool is_sent_once(const struct life *l)
{
	return (l->view->state == ENTRY_BEGINNING && mutated(l, MUTANT_BEGIN_SENT_ONCE)) ||
	       (l->view->state == ENTRY_ACKING && mutated(l, MUTANT_ACK_SENT_ONCE)) ||
	       (l->view->state == ENTRY_BURYING && mutated(l, MUTANT_BURIAL_SENT_ONCE));
}

/* Before it was carried out, or after: nobody knows. */
static bool answer_lost(struct life *l)
{
	if (!is_answered(l) && (!has_command(l->view->state) || l->view->command != SENT))
		return false;
	if (is_sent_once(l))
		l->view->command = STUCK;
	else if (l->view->state == ENTRY_BEGINNING)
		move(l, ENTRY_WAITING);
	else
		l->view->command = IDLE;
	return true;
}

/* ---- the lease ---- */

static bool renewal_arrives(struct life *l)
{
	struct view *v = l->view;
	enum command answer = (enum command)v->renewal;

	if (answer == IDLE)
		return false;
	v->renewal = IDLE;
	if (answer != OTHERS && answer != NOBODYS)
		v->late = false;
	if (answer == WITHOUT_DATA)
		seen_trimmed(l);
	/* The scripts that begin and bury look for themselves, and answer for the state. */
	if (answer == OTHERS && v->state != ENTRY_BEGINNING && v->state != ENTRY_BURYING)
		lease_lost(l);
	return true;
}

static bool renew(struct life *l)
{
	if (!is_leased(l->view) || l->view->lost || l->view->renewal != IDLE)
		return false;
	l->view->renewal = (uint8_t)server_renew(l);
	if (!l->scope->renewals_travel)
		renewal_arrives(l);
	return true;
}

static bool renewal_lost(struct life *l)
{
	if (l->view->renewal == IDLE)
		return false;
	l->view->renewal = IDLE;
	return true;
}

/* Somebody alive has it, and could not renew it or tell Redis what became of it. */
static bool is_neglected(const struct life *l)
{
	bool can_be_renewed = is_leased(l->view) && !l->row->no_data;

	return l->w->alive[l->daemon] && (can_be_renewed || l->view->reading ||
	    l->view->state == ENTRY_ACKING || l->view->state == ENTRY_RELEASING);
}

static bool lease_runs_out(struct life *l)
{
	if (!life_is_ours(l) || l->row->stale || is_neglected(l))
		return false;
	l->row->stale = true;
	return true;
}

/* Replies that are on their way are older than the lease now. */
static void drop_old_replies(struct life *l)
{
	if (mutated(l, MUTANT_LATE_REPLY))
		return;
	l->view->reading = false;
	if (l->view->state == ENTRY_BEGINNING && l->view->command != STUCK)
		move(l, ENTRY_WAITING);
}

static bool lease_neglected(struct life *l)
{
	if (!life_is_ours(l) || l->row->stale || !is_neglected(l))
		return false;
	l->row->stale = l->row->faulted = true;
	l->view->late = is_leased(l->view);
	if (l->view->renewal == DONE)
		l->view->renewal = IDLE;
	drop_old_replies(l);
	return true;
}

/* ---- runs ---- */

static bool handler_is_free(const struct life *l)
{
	for (int e = 0; e < l->scope->n_entries && l->scope->one_handler; e++) {
		if (life_view(l->scope, l->w, l->daemon, e)->state == ENTRY_RUNNING)
			return false;
	}
	return true;
}

static bool hand_over(struct life *l)
{
	if (l->view->state != ENTRY_READY || !handler_is_free(l) ||
	    (l->view->late && !mutated(l, MUTANT_NO_GUARD)))
		return false;
	/* A run that begins is no run that was overtaken. */
	l->view->late = false;
	l->row->begun++;
	move(l, ENTRY_RUNNING);
	return true;
}

static void fail(struct life *l, const struct decision *d)
{
	if (d->forgiven)
		forgive(l);
	if (mutated(l, MUTANT_FAILURE_FORGIVEN) && !d->forgiven)
		l->view->attempts--;
	if (d->action == ACTION_BURY)
		move(l, ENTRY_BURYING);
	else if (mutated(l, MUTANT_FAILURE_ACKED))
		move(l, ENTRY_ACKING);
	else
		move(l, d->action == ACTION_WAIT ? ENTRY_WAITING : ENTRY_RELEASING);
}

static bool judge(struct life *l, const struct outcome *o)
{
	struct retry_settings retry = retry_of(l->scope);
	struct policy policy = { .retry = &retry };
	struct decision d;

	if (l->view->state != ENTRY_RUNNING)
		return false;
	d = policy_decide(&policy, o, l->view->attempts, l->view->trimmed, 0);
	if (d.action == ACTION_ACK) {
		l->row->succeeded = true;
		move(l, ENTRY_ACKING);
	} else if (!l->view->lost) {
		fail(l, &d);
	} else if (mutated(l, MUTANT_LOST_FAILURE_ACKED)) {
		move(l, ENTRY_ACKING);
	} else {
		forget(l);
	}
	return true;
}

static bool says_ok(struct life *l)
{
	return judge(l, &(struct outcome){ .verdict = VERDICT_OK });
}

static bool says_retry(struct life *l)
{
	return judge(l, &(struct outcome){ .verdict = VERDICT_RETRY, .charged = true });
}

static bool says_dead(struct life *l)
{
	return judge(l, &(struct outcome){ .verdict = VERDICT_DEAD, .charged = true });
}

static bool says_release(struct life *l)
{
	return judge(l, &(struct outcome){ .verdict = VERDICT_RELEASE });
}

static bool neighbour_dies(struct life *l)
{
	return judge(l, &(struct outcome){ .verdict = VERDICT_RETRY, .has_delay = true });
}

/* A drain. */
static bool give_back(struct life *l)
{
	if (l->view->state != ENTRY_READY && l->view->state != ENTRY_WAITING)
		return false;
	if (l->view->state == ENTRY_READY)
		l->view->attempts--;
	move(l, ENTRY_RELEASING);
	return true;
}

/* ---- what befalls all ---- */

static bool trim(struct life *l)
{
	if (!l->scope->trims || l->daemon || l->row->where != PENDING || l->row->no_data)
		return false;
	/* It will be recorded, not run: its count does not matter any more. */
	l->row->no_data = l->row->faulted = true;
	return true;
}

static bool crash(struct life *l)
{
	const struct scope *scope = l->scope;

	if (l->entry)
		return false;
	l->w->alive[l->daemon] = false;
	for (int e = 0; e < scope->n_entries; e++) {
		struct row *r = &l->w->rows[e];

		if (r->where == PENDING && r->owner == l->daemon)
			r->faulted = true;
		*life_view(scope, l->w, l->daemon, e) = (struct view){ .state = ENTRY_GONE };
	}
	return true;
}

static bool is_any_alive(const struct life *l)
{
	for (int d = 0; d < l->scope->n_daemons; d++) {
		if (l->w->alive[d])
			return true;
	}
	return false;
}

/* Where another is alive nobody waits for it. */
static bool restart(struct life *l)
{
	if (l->entry || l->w->alive[l->daemon] || !is_any_alive(l))
		return false;
	l->w->alive[l->daemon] = true;
	return true;
}

static bool restart_of_the_last(struct life *l)
{
	if (l->entry || is_any_alive(l))
		return false;
	l->w->alive[l->daemon] = true;
	return true;
}

static const struct {
	const char *name;
	bool (*take)(struct life *l);
	unsigned ways;
	bool of_the_dead; /* needs no daemon that is alive */
} steps[] = {
	{ "reads it", read_new, WAY_ALL, false },
	{ "gets the reply of the read", read_arrives, WAY_ALL, false },
	{ "loses the reply of the read", read_lost, 0, false },
	{ "sees it stale", see_stale, WAY_ALL, false },
	{ "claims it", claim, WAY_ALL, false },
	{ "sees it pending on its name", see_ours, WAY_ALL, false },
	{ "holds it now", taken_arrives, WAY_ALL, false },
	{ "loses the reply of the claim", taken_lost, 0, false },
	{ "sends begin", begin, WAY_ALL, false },
	{ "sends what became of it", send, WAY_ALL, false },
	{ "has its command carried out", carried_out, WAY_ALL, false },
	{ "is refused by the dead-letter stream", refused, 0, false },
	{ "gets the answer", answer_arrives, WAY_ALL, false },
	{ "loses the answer", answer_lost, 0, false },
	{ "renews it", renew, WAY_ALL, false },
	{ "gets the answer of the renewal", renewal_arrives, WAY_ALL, false },
	{ "loses the answer of the renewal", renewal_lost, 0, false },
	{ "has let its lease run out, rightly", lease_runs_out, WAY_ALL, true },
	{ "could not renew it in time", lease_neglected, 0, false },
	{ "hands it over", hand_over, WAY_ALL, false },
	{ "is told ok", says_ok, WAY_OK, false },
	{ "is told retry", says_retry, WAY_RETRY, false },
	{ "is told dead", says_dead, WAY_DEAD, false },
	{ "is told release", says_release, 0, false },
	{ "runs it in vain, a neighbour dies", neighbour_dies, 0, false },
	{ "gives it back", give_back, 0, false },
	{ "(the stream is trimmed)", trim, 0, true },
	{ "crashes", crash, 0, false },
	{ "starts again", restart, 0, true },
	{ "starts again, the only one", restart_of_the_last, WAY_ALL, true },
};

/* ---- the space ---- */

static void try_step(struct search *s, const struct scope *scope, const struct world *from,
    unsigned number)
{
	unsigned i = number / PAIRS_MAX, pair = number % PAIRS_MAX;
	struct world w = *from;
	struct life l = {
		.scope = scope,
		.w = &w,
		.view = &w.views[pair],
		.daemon = (uint8_t)(pair / (unsigned)scope->n_entries),
		.entry = (uint8_t)(pair % (unsigned)scope->n_entries),
	};

	l.row = &w.rows[l.entry];
	if (scope->faults_max && !steps[i].ways && w.n_faults++ == scope->faults_max)
		return;
	if ((w.alive[l.daemon] || steps[i].of_the_dead) && steps[i].take(&l))
		search_step(s, (uint16_t)number, &w, steps[i].ways);
}

static void expand(struct search *s, const void *context, const void *state)
{
	const struct scope *scope = context;
	unsigned n_pairs = (unsigned)(scope->n_daemons * scope->n_entries);

	for (unsigned i = 0; i < ARRAY_LEN(steps); i++) {
		for (unsigned pair = 0; pair < n_pairs; pair++)
			try_step(s, scope, state, i * PAIRS_MAX + pair);
	}
}

static void print_views(const struct scope *scope, const struct world *w, int entry)
{
	for (int d = 0; d < scope->n_daemons; d++) {
		const struct view *v = &w->views[d * scope->n_entries + entry];

		printf(" | %s%s %u%s%s%s cmd %u", w->alive[d] ? "" : "dead ",
		    entry_state_word((enum entry_state)v->state), v->attempts,
		    v->late ? " late" : "", v->lost ? " lost" : "",
		    v->reading ? " reading" : "", v->command);
	}
}

static void print_step(const void *context, uint16_t step, const void *state)
{
	static const char *const where[] = { "new", "pending", "out" };
	const struct scope *scope = context;
	const struct world *w = state;
	int pair = step % PAIRS_MAX, entry = pair % scope->n_entries;
	const struct row *r = &w->rows[entry];

	printf("  daemon %d, entry %d: %-36s [%s of %u, count %u, begun %u%s%s%s",
	    pair / scope->n_entries, entry, steps[step / PAIRS_MAX].name, where[r->where], r->owner,
	    r->count, r->begun, r->stale ? ", stale" : "", r->no_data ? ", trimmed" : "",
	    r->faulted ? ", faulted" : "");
	print_views(scope, w, entry);
	printf("]\n");
}

void life_first(const struct scope *scope, struct world *ret_world)
{
	memset(ret_world, 0, sizeof(*ret_world));
	for (int i = 0; i < PAIRS_MAX; i++)
		ret_world->views[i].state = ENTRY_GONE;
	for (int d = 0; d < scope->n_daemons; d++)
		ret_world->alive[d] = true;
}

struct space life_space(const struct scope *scope)
{
	return (struct space){
		.state_bytes = sizeof(struct world),
		.context = scope,
		.expand = expand,
		.wrong_with = life_wrong_with,
		.is_end = life_is_end,
		.print_step = print_step,
	};
}
