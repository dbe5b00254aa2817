/* SPDX-License-Identifier: MIT */
/* Leases, runs and their verdicts, and what befalls a daemon or the stream. */
#include "life_steps.h"

/* ---- the lease ---- */

bool step_renewal_arrives(struct life *l)
{
	struct view *v = l->view;
	enum command answer = (enum command)v->renewal;

	if (answer == IDLE)
		return false;
	v->renewal = IDLE;
	if (answer == DONE || answer == WITHOUT_DATA || v->state == ENTRY_READY)
		v->late = false;
	if (answer == WITHOUT_DATA)
		life_seen_trimmed(l);
	/* The scripts that begin and bury look for themselves, and answer for the state. */
	if (answer == OTHERS && v->state != ENTRY_BEGINNING && v->state != ENTRY_BURYING)
		life_lease_lost(l);
	return true;
}

bool step_renew(struct life *l)
{
	if (!life_is_leased(l->view) || l->view->lost || l->view->renewal != IDLE)
		return false;
	l->view->renewal = (uint8_t)server_renew(l);
	if (!l->scope->renewals_travel)
		step_renewal_arrives(l);
	return true;
}

bool step_renewal_lost(struct life *l)
{
	if (l->view->renewal == IDLE)
		return false;
	l->view->renewal = IDLE;
	return true;
}

/* Somebody alive has it, and could not renew it or tell Redis what became of it. */
static bool is_neglected(const struct life *l)
{
	bool can_be_renewed = life_is_leased(l->view) && !l->row->no_data;

	return l->w->alive[l->daemon] &&
	       (can_be_renewed || l->view->reading || l->view->state == ENTRY_ACKING ||
	           l->view->state == ENTRY_RELEASING);
}

bool step_lease_runs_out(struct life *l)
{
	if (!life_is_ours(l) || l->row->stale || is_neglected(l))
		return false;
	l->row->stale = true;
	return true;
}

bool step_lease_neglected(struct life *l)
{
	if (!life_is_ours(l) || l->row->stale || !is_neglected(l))
		return false;
	l->row->stale = l->row->faulted = true;
	l->view->late = life_is_leased(l->view) || l->view->reading;
	if (l->view->renewal == DONE)
		l->view->renewal = IDLE;
	return true;
}

/* ---- runs ---- */

static void forgive(struct life *l)
{
	if (l->row->begun)
		l->row->begun--;
	if (l->view->attempts && !life_mutated(l, MUTANT_FORGIVEN_CHARGED))
		l->view->attempts--;
}

static bool handler_is_free(const struct life *l)
{
	for (int e = 0; e < l->scope->n_entries && l->scope->one_handler; e++) {
		if (life_view(l->scope, l->w, l->daemon, e)->state == ENTRY_RUNNING)
			return false;
	}
	return true;
}

bool step_hand_over(struct life *l)
{
	if (l->view->state != ENTRY_READY || !handler_is_free(l) ||
	    (l->view->late && !life_mutated(l, MUTANT_NO_GUARD)))
		return false;
	/* A run that begins has not been overtaken. What is nobody's may be run, in case its group
	 * was made anew, but nothing protects it. */
	l->view->late = l->row->where != PENDING;
	l->row->begun++;
	life_move(l, ENTRY_RUNNING);
	return true;
}

static void fail(struct life *l, const struct decision *d)
{
	if (d->forgiven)
		forgive(l);
	if (life_mutated(l, MUTANT_FAILURE_FORGIVEN) && !d->forgiven)
		l->view->attempts--;
	if (d->action == ACTION_BURY)
		life_move(l, ENTRY_BURYING);
	else if (life_mutated(l, MUTANT_FAILURE_ACKED))
		life_move(l, ENTRY_ACKING);
	else
		life_move(l, d->action == ACTION_WAIT ? ENTRY_WAITING : ENTRY_RELEASING);
}

static bool judge(struct life *l, const struct outcome *o)
{
	struct retry_settings retry;
	struct policy policy = life_policy(l->scope, &retry);
	struct decision d;

	if (l->view->state != ENTRY_RUNNING)
		return false;
	d = policy_decide(&policy, o, l->view->attempts, l->view->trimmed, 0);
	if (d.action == ACTION_ACK) {
		l->row->succeeded = true;
		life_move(l, ENTRY_ACKING);
	} else if (!l->view->lost) {
		fail(l, &d);
	} else if (life_mutated(l, MUTANT_LOST_FAILURE_ACKED)) {
		life_move(l, ENTRY_ACKING);
	} else {
		life_forget(l);
	}
	return true;
}

bool step_says_ok(struct life *l)
{
	return judge(l, &(struct outcome){ .verdict = VERDICT_OK });
}

bool step_says_retry(struct life *l)
{
	return judge(l, &(struct outcome){ .verdict = VERDICT_RETRY, .charged = true });
}

bool step_says_dead(struct life *l)
{
	return judge(l, &(struct outcome){ .verdict = VERDICT_DEAD, .charged = true });
}

bool step_says_release(struct life *l)
{
	return judge(l, &(struct outcome){ .verdict = VERDICT_RELEASE });
}

bool step_neighbour_dies(struct life *l)
{
	return judge(l, &(struct outcome){ .verdict = VERDICT_RETRY, .has_delay = true });
}

/* A drain. */
bool step_give_back(struct life *l)
{
	if (l->view->state != ENTRY_READY && l->view->state != ENTRY_WAITING)
		return false;
	if (l->view->state == ENTRY_READY)
		l->view->attempts--;
	life_move(l, ENTRY_RELEASING);
	return true;
}

/* ---- what befalls all ---- */

bool step_trim(struct life *l)
{
	if (!l->scope->trims || l->daemon || l->row->where != PENDING || l->row->no_data)
		return false;
	/* It will be recorded, not run: its count does not matter any more. */
	l->row->no_data = l->row->faulted = true;
	return true;
}

bool step_crash(struct life *l)
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
bool step_restart(struct life *l)
{
	if (l->entry || l->w->alive[l->daemon] || !is_any_alive(l))
		return false;
	l->w->alive[l->daemon] = true;
	return true;
}

bool step_restart_of_the_last(struct life *l)
{
	if (l->entry || is_any_alive(l))
		return false;
	l->w->alive[l->daemon] = true;
	return true;
}
