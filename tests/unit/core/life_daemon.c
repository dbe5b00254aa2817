/* SPDX-License-Identifier: MIT */
/* How entries come to a daemon, and what it tells Redis of them. */
#include "life_steps.h"

void life_wrong(struct life *l, enum wrong what)
{
	if (!l->w->wrong)
		l->w->wrong = (uint8_t)what;
}

/* ---- moves ---- */

bool life_is_leased(const struct view *v)
{
	return v->state == ENTRY_WAITING || v->state == ENTRY_BEGINNING ||
	       v->state == ENTRY_READY || v->state == ENTRY_RUNNING || v->state == ENTRY_BURYING;
}

void life_move(struct life *l, enum entry_state to)
{
	struct view *v = l->view;

	if (!entry_state_allows((enum entry_state)v->state, to))
		life_wrong(l, WRONG_MOVE);
	v->state = (uint8_t)to;
	v->command = IDLE;
	/* What no later step looks at must not part states. */
	if (!life_is_leased(v)) {
		v->late = v->lost = v->trimmed = false;
		v->renewal = IDLE;
	}
	if (to != ENTRY_RELEASING && !life_is_leased(v))
		v->attempts = 0;
}

void life_forget(struct life *l)
{
	life_move(l, ENTRY_GONE);
}

static void arrive(struct life *l, enum entry_state state, uint8_t attempts)
{
	if (life_is_held(l->view))
		return;
	l->view->state = (uint8_t)state;
	l->view->attempts = attempts;
	l->view->command = IDLE;
}

/* ---- arriving ---- */

bool step_read_new(struct life *l)
{
	if (l->row->where != NEW || life_is_held(l->view))
		return false;
	server_read(l);
	l->view->reading = true;
	return true;
}

bool step_read_arrives(struct life *l)
{
	if (!l->view->reading)
		return false;
	l->view->reading = false;
	if (life_mutated(l, MUTANT_LATE_REPLY))
		l->view->late = false;
	arrive(l, ENTRY_READY, 1);
	return true;
}

bool step_read_lost(struct life *l)
{
	if (!l->view->reading)
		return false;
	l->view->reading = l->view->late = false;
	l->row->faulted = true;
	return true;
}

/* What has been idle for longer than a read can last is on its way no more. */
static bool free_for_a_page(const struct life *l)
{
	bool may_be_on_its_way = l->view->reading && !life_mutated(l, MUTANT_TAKEN_UP_AT_ONCE);

	return l->row->where == PENDING && l->view->command == IDLE && !life_is_held(l->view) &&
	       !may_be_on_its_way;
}

bool step_see_stale(struct life *l)
{
	bool stale = l->row->stale || life_mutated(l, MUTANT_CLAIM_FRESH);

	if (l->row->where == PENDING && stale && life_is_held(l->view) &&
	    life_mutated(l, MUTANT_NO_TABLE)) {
		life_wrong(l, WRONG_STARTED_TWICE);
		return true;
	}
	if (!free_for_a_page(l) || !stale || life_is_ours(l) || life_mutated(l, MUTANT_NO_SWEEP))
		return false;
	l->view->command = SEEN_STALE;
	l->view->attempts = l->row->count;
	return true;
}

bool step_see_ours(struct life *l)
{
	if (!free_for_a_page(l) || !life_is_ours(l) || life_mutated(l, MUTANT_NO_TAKE_UP))
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

bool step_claim(struct life *l)
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
	return !life_is_held(l->view) &&
	       (l->view->command == CLAIMED || l->view->command == SEEN_OURS);
}

struct policy life_policy(const struct scope *scope, struct retry_settings *retry)
{
	*retry = (struct retry_settings){ .max_attempts = scope->max_attempts, .multiplier = 1 };
	return (struct policy){ .retry = retry };
}

bool step_taken_arrives(struct life *l)
{
	struct retry_settings retry;
	struct policy policy = life_policy(l->scope, &retry);

	if (!is_taken(l))
		return false;
	arrive(l, ENTRY_WAITING, l->view->attempts);
	if (policy_kills_daemons(&policy, l->view->attempts))
		life_move(l, ENTRY_BURYING);
	return true;
}

bool step_taken_lost(struct life *l)
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

bool step_begin(struct life *l)
{
	if (l->view->state != ENTRY_WAITING)
		return false;
	life_move(l, ENTRY_BEGINNING);
	/* What it does is as fresh as its sending. */
	l->view->late = false;
	l->view->command = SENT;
	if (!l->scope->in_transit)
		carry_out(l, false);
	return true;
}

bool step_send(struct life *l)
{
	if (!has_command(l->view->state) || l->view->command != IDLE)
		return false;
	l->view->command = SENT;
	if (!l->scope->in_transit)
		carry_out(l, false);
	return true;
}

bool step_carried_out(struct life *l)
{
	if (!has_command(l->view->state) || l->view->command != SENT)
		return false;
	carry_out(l, false);
	return true;
}

bool step_refused(struct life *l)
{
	if (l->view->state != ENTRY_BURYING || l->view->command != SENT)
		return false;
	carry_out(l, true);
	return true;
}

void life_lease_lost(struct life *l)
{
	if (l->view->state == ENTRY_RUNNING)
		*l->view = (struct view){ .state = ENTRY_RUNNING, .lost = true, .late = true };
	else
		life_forget(l);
}

void life_seen_trimmed(struct life *l)
{
	l->view->trimmed = !l->view->lost;
	if (l->view->state == ENTRY_WAITING || l->view->state == ENTRY_BEGINNING)
		life_move(l, ENTRY_BURYING);
}

static void begun(struct life *l)
{
	l->view->attempts++;
	if (life_mutated(l, MUTANT_LATE_REPLY))
		l->view->late = false;
	life_move(l, ENTRY_READY);
}

static void begin_answered(struct life *l, enum command answer)
{
	if (answer == DONE)
		begun(l);
	else if (answer == WITHOUT_DATA)
		life_seen_trimmed(l);
	else
		life_lease_lost(l);
}

static bool is_answered(const struct life *l)
{
	return has_command(l->view->state) && l->view->command >= DONE && l->view->command < STUCK;
}

bool step_answer_arrives(struct life *l)
{
	enum command answer = (enum command)l->view->command;

	if (!is_answered(l))
		return false;
	l->view->command = IDLE;
	if (l->view->state == ENTRY_BEGINNING)
		begin_answered(l, answer);
	else if (answer != REFUSED)
		life_forget(l);
	return true;
}

static bool is_sent_once(const struct life *l)
{
	return (l->view->state == ENTRY_BEGINNING && life_mutated(l, MUTANT_BEGIN_SENT_ONCE)) ||
	       (l->view->state == ENTRY_ACKING && life_mutated(l, MUTANT_ACK_SENT_ONCE)) ||
	       (l->view->state == ENTRY_BURYING && life_mutated(l, MUTANT_BURIAL_SENT_ONCE));
}

/* Before it was carried out, or after: nobody knows. */
bool step_answer_lost(struct life *l)
{
	if (!is_answered(l) && (!has_command(l->view->state) || l->view->command != SENT))
		return false;
	if (is_sent_once(l))
		l->view->command = STUCK;
	else if (l->view->state == ENTRY_BEGINNING)
		life_move(l, ENTRY_WAITING);
	else
		l->view->command = IDLE;
	return true;
}
