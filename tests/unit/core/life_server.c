/* SPDX-License-Identifier: MIT */
/* The server's side: what each script does to the pending record of one entry, and what it answers.
 */
#include "life.h"

/* Out of the pending list: what its record said is of no use any more, and would only part states.
 */
static void leave(struct life *l)
{
	l->row->where = OUT;
	l->row->owner = l->row->count = l->row->begun = 0;
	l->row->stale = l->row->faulted = false;
}

/* XCLAIM to us with idle time 0. It takes back from anybody; whoever must not, looks first. */
static void xclaim(struct life *l)
{
	if (l->row->where != PENDING)
		return;
	l->row->owner = l->daemon;
	l->row->stale = false;
}

void server_read(struct life *l)
{
	l->row->where = PENDING;
	l->row->owner = l->daemon;
	l->row->count = 1;
}

static enum command claim_trimmed(struct life *l)
{
	leave(l);
	if (!life_mutated(l, MUTANT_CLAIM_TRIMMED))
		l->row->recorded++;
	return IDLE;
}

enum command server_claim(struct life *l)
{
	bool stale = l->row->stale || life_mutated(l, MUTANT_CLAIM_FRESH);
	bool as_seen =
	    l->row->count == l->view->attempts || life_mutated(l, MUTANT_CLAIM_OLD_COUNT);

	if (l->row->where != PENDING || !stale || !as_seen)
		return IDLE;
	if (l->row->no_data)
		return claim_trimmed(l);
	xclaim(l);
	return CLAIMED;
}

enum command server_begin(struct life *l)
{
	int run = l->view->attempts + 1;

	if (l->row->where != PENDING)
		return NOBODYS;
	if (l->row->owner != l->daemon && !life_mutated(l, MUTANT_BEGIN_UNSEEN))
		return OTHERS;
	if (l->row->no_data)
		return WITHOUT_DATA;
	if (run > COUNT_MAX)
		life_wrong(l, WRONG_COUNT);
	xclaim(l);
	if (!life_mutated(l, MUTANT_BEGIN_UNCOUNTED))
		l->row->count = (uint8_t)run;
	return DONE;
}

enum command server_renew(struct life *l)
{
	if (l->row->where != PENDING)
		return NOBODYS;
	if (l->row->owner != l->daemon && !life_mutated(l, MUTANT_RENEW_UNSEEN))
		return OTHERS;
	if (l->row->no_data) {
		if (life_mutated(l, MUTANT_RENEW_TRIMMED))
			leave(l);
		return WITHOUT_DATA;
	}
	xclaim(l);
	return DONE;
}

enum command server_bury(struct life *l, bool refuses)
{
	if (l->row->where != PENDING)
		return NOBODYS;
	if (l->row->owner != l->daemon && !life_mutated(l, MUTANT_BURY_UNSEEN))
		return OTHERS;
	if (refuses && !life_mutated(l, MUTANT_REFUSED_IS_ACKED))
		return REFUSED;
	leave(l);
	if (!refuses && !life_mutated(l, MUTANT_XACK_BEFORE_XADD))
		l->row->recorded++;
	return DONE;
}

enum command server_release(struct life *l)
{
	bool ours =
	    life_is_ours(l) || (l->row->where == PENDING && life_mutated(l, MUTANT_RELEASE_UNSEEN));

	if (!ours || l->row->no_data)
		return DONE;
	xclaim(l);
	l->row->stale = true;
	if (!life_mutated(l, MUTANT_RELEASE_CHARGED))
		l->row->count = l->view->attempts;
	return DONE;
}

enum command server_ack(struct life *l)
{
	if (l->row->where == PENDING)
		leave(l);
	return DONE;
}
