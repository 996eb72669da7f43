/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/options.h"
#include "cli/commands.h"

enum { COMMAND_NAMES_MAX = 32 };

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[COMMAND_NAMES_MAX];
    size_t count = command_count < COMMAND_NAMES_MAX ? command_count : COMMAND_NAMES_MAX;
    for (size_t i = 0; i < count; i++) {
        names[i] = commands[i].name;
    }
    const char *near = nearest_name(name, names, count);
    fprintf(stderr, "roost: there is no command '%s'", name);
    if (near != NULL) {
        fprintf(stderr, "; did you mean '%s'?", near);
    }
    fprintf(stderr, "\nSee: roost help\n");
    return 2;
}

int main(int argc, char **argv)
{
    static char help_name[] = "help", version_name[] = "version";
    if (argc < 2) {
        argv[0] = help_name;
        cmd_help(1, argv);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        argv[1] = help_name;
    } else if (strcmp(argv[1], "--version") == 0) {
        argv[1] = version_name;
    }
    const struct command *command = command_find(argv[1]);
    if (command == NULL) {
        return unknown_command(argv[1]);
    }
    for (int i = 2; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            char *help_argv[] = {help_name, argv[1], NULL};
            return cmd_help(2, help_argv);
        }
    }
    return command->run(argc - 1, argv + 1);
}
