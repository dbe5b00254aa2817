/* SPDX-License-Identifier: MIT */
/*
 * The dead-letter records that a command is about, read in pages. Several streams may share a
 * dead-letter stream, with those of other groups as well: what is not of the targets is left out.
 */
#ifndef SLUICED_CTL_RECORDS_H
#define SLUICED_CTL_RECORDS_H

#include "core/fields.h"
#include "ctl/confirm.h"
#include "ctl/target.h"

/* A view of a record, good for the call that gets it and until the next ask(). */
struct record {
	struct entryid id;       /* of the record */
	struct entryid entry_id; /* of the entry, in its own stream */
	struct target *target;   /* whose entry it is */
	struct fields meta, original;
};

/* A dead-letter stream. */
struct record_stream {
	const char *key;
	struct place place;
	struct entryid first, last; /* what is looked at: no record that is added from now on */
	uint64_t now_ms;            /* as its server's clock says, which made the ids */
	bool is_empty;
};

struct wanted_id {
	struct entryid id;
	bool is_found;
	bool is_record, is_entry; /* of a record whose entry has another id, and the reverse */
};

struct records {
	struct ctl *ctl;
	struct targets targets;
	struct record_stream *streams;
	size_t n_streams;

	struct wanted_id *ids; /* in order */
	size_t n_ids;          /* 0: all */
	const char *reason;    /* NULL: any */
	uint64_t count;        /* at most so many */

	uint64_t n_matched, n_others; /* of the last walk: found, and left out */
	struct slice *slices;
	size_t cap;
};

/*
 * As the command line says: NAME, ids, --reason, --since, --count. DONE, or why not, after saying
 * so. Connects. To be closed in any case.
 */
enum ctl_exit records_open(struct ctl *c, struct records *ret_records) MUST_CHECK;
void records_close(struct records *r);

/* Gets each page: DONE to go on. */
typedef enum ctl_exit records_fn(void *owner, struct record_stream *from,
    const struct record *records, size_t n);

/*
 * All of them, oldest first; the same ones each time, as long as nobody removes any. DONE, FAILED
 * after saying why, or what on_page said. An interrupt ends it: DONE.
 */
enum ctl_exit records_walk(struct records *r, records_fn *on_page, void *owner) MUST_CHECK;

/* A walk that only counts, before anything is changed: n_matched. FAILED after an interrupt as
 * well, which is told. */
enum ctl_exit records_count(struct records *r) MUST_CHECK;

/* "3 records of orders:dead will be REMOVED FOR GOOD." The rest is confirm()'s. */
enum consent records_confirm(const struct records *r, const char *what) MUST_CHECK;

/* After a count that found none: says so, for people, and what ids were not found. */
enum ctl_exit records_tell_none(const struct records *r, enum ctl_exit status);

/* After a walk, complains about ids that were not found: MISSING, or DONE. */
enum ctl_exit records_tell_missing(const struct records *r);

/* The value of a metadata field, "sluice.reason"; empty when it is not there. */
struct slice record_meta(const struct record *r, const char *name);

#endif
