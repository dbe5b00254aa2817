/* SPDX-License-Identifier: MIT */
/* The types of value that the rows of the option table name, and what each is in the settings. */
#ifndef SLUICED_CONFIG_TYPES_H
#define SLUICED_CONFIG_TYPES_H

#include "config/option.h"

/* types_scalar.c */
extern const struct option_type type_number;   /* uint64_t */
extern const struct option_type type_duration; /* uint64_t, ms */
extern const struct option_type type_size;     /* uint64_t, bytes */
extern const struct option_type type_decimal;  /* double */
extern const struct option_type type_bool;     /* bool */
extern const struct option_type type_enum;     /* an enum or int */
extern const struct option_type type_text;     /* char * */
extern const struct option_type type_secret;   /* char *, never shown */
extern const struct option_type type_word;     /* char *, value_is_word() */
extern const struct option_type type_path;     /* char *, absolute */

/* types_list.c: struct string_list, but for the mapping */
extern const struct option_type type_names;
extern const struct option_type type_command; /* handler.command and handler.program */
extern const struct option_type type_listen;
extern const struct option_type type_nodes;
extern const struct option_type type_environment; /* struct string_map */

/* types_stream.c: struct string_list, ranges expanded */
extern const struct option_type type_stream;
extern const struct option_type type_streams;

/* types_special.c */
extern const struct option_type type_url;           /* struct redisurl */
extern const struct option_type type_consumer_name; /* char *, expanded */
extern const struct option_type type_start;         /* struct group_start */
extern const struct option_type type_stdin;         /* struct stdin_settings */
extern const struct option_type type_exit_codes;    /* struct exit_codes */
extern const struct option_type type_dead_letter;   /* dead_letter.off and dead_letter.stream */
extern const struct option_type type_guard_key;     /* char *, core/guardkey.h */

#endif
