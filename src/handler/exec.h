/* SPDX-License-Identifier: MIT */
/* Exec mode: a process for each entry. */
#ifndef SLUICED_HANDLER_EXEC_H
#define SLUICED_HANDLER_EXEC_H

#include <stdint.h>

#include "handler/common.h"

struct execs;

struct execs *execs_new(struct common *common);
void execs_free(struct execs *x);

uint32_t execs_room(const struct execs *x);
uint32_t execs_processes(const struct execs *x);
void execs_offer(struct execs *x, struct entry *e, const struct fields *f);
void execs_drain(struct execs *x);
void execs_kill(struct execs *x);
void execs_each_process(const struct execs *x,
    void (*visit)(void *context, const struct pool_process *process), void *context);

#endif
