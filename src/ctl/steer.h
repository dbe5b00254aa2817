/* SPDX-License-Identifier: MIT */
/* Commands that have the daemon do something, and its metrics as they are. */
#ifndef SLUICED_CTL_STEER_H
#define SLUICED_CTL_STEER_H

#include "ctl/command.h"

enum ctl_exit pause_run(struct ctl *c);
enum ctl_exit resume_run(struct ctl *c);
enum ctl_exit concurrency_run(struct ctl *c);
enum ctl_exit reload_run(struct ctl *c);
enum ctl_exit drain_run(struct ctl *c);
enum ctl_exit metrics_run(struct ctl *c);

#endif
