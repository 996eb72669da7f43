/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of `roost`: one table behind dispatch, help and the documentation. A command gets
 * its own name in argv[0] and returns the process's exit code: 0 good, 1 failed, 2 wrong usage or
 * configuration.
 */
#ifndef ROOST_CLI_COMMANDS_H
#define ROOST_CLI_COMMANDS_H

#include <stddef.h>

struct command {
    const char *name;
    const char *arguments; /* for the usage line */
    const char *summary;
    int (*run)(int argc, char **argv);
    void (*help)(void); /* prints its options */
};

extern const struct command commands[];
extern const size_t command_count;

const struct command *command_find(const char *name); /* NULL when unknown */

int cmd_serve(int argc, char **argv);
void cmd_serve_help(void);
int cmd_load(int argc, char **argv);
void cmd_load_help(void);
int cmd_zoo(int argc, char **argv);
void cmd_zoo_help(void);
int cmd_models(int argc, char **argv);
void cmd_models_help(void);
int cmd_sim(int argc, char **argv);
void cmd_sim_help(void);
int cmd_status(int argc, char **argv);
void cmd_status_help(void);
int cmd_switch(int argc, char **argv);
void cmd_switch_help(void);
int cmd_policy(int argc, char **argv);
void cmd_policy_help(void);
int cmd_node(int argc, char **argv);
void cmd_node_help(void);
int cmd_version(int argc, char **argv);
int cmd_help(int argc, char **argv);

#endif
