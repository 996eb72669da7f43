/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and the two that are about it. */
#include <stdio.h>

#include "cli/commands.h"
#include "roost/version.h"

const struct command commands[] = {
    {"serve", "[options]", "serve models side by side and keep every latency promise", cmd_serve,
     cmd_serve_help},
    {"load", "[options]", "drive a server with open-loop load and report against the SLOs",
     cmd_load, cmd_load_help},
    {"zoo", "list | make [options] [MODEL...]", "write the demo models as real ONNX files", cmd_zoo,
     cmd_zoo_help},
    {"models", "[options]", "list the models of a server: which serve, which do not, and why",
     cmd_models, cmd_models_help},
    {"sim", "SCENARIO.yaml [options] | --replay LOG", "try policies on a node in virtual time",
     cmd_sim, cmd_sim_help},
    {"status", "[options]", "show how a server's tenants fare: load, latency, grants, variants",
     cmd_status, cmd_status_help},
    {"switch", "[options] TENANT VARIANT", "let another variant of a tenant serve", cmd_switch,
     cmd_switch_help},
    {"policy", "[options] [show | list [NAME] | [set] NAME [OPTION=VALUE...]]",
     "show or change who moves grants and variants", cmd_policy, cmd_policy_help},
    {"node", "[options]", "show what this machine has and can divide", cmd_node, cmd_node_help},
    {"version", "", "print the version", cmd_version, NULL},
    {"help", "[COMMAND]", "explain a command", cmd_help, NULL},
};
const size_t command_count = sizeof commands / sizeof *commands;

int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("roost " ROOST_VERSION);
    return 0;
}

int cmd_help(int argc, char **argv)
{
    if (argc < 2) {
        puts("roost: many models on few machines, each within its latency promise\n");
        puts("usage: roost COMMAND [options]\n");
        for (size_t i = 0; i < command_count; i++) {
            printf("  %-8s %s\n", commands[i].name, commands[i].summary);
        }
        puts("\nroost help COMMAND explains one of them.");
        return 0;
    }
    const struct command *command = command_find(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "roost: there is no command '%s'\nSee: roost help\n", argv[1]);
        return 2;
    }
    printf("roost %s: %s\n\nusage: roost %s %s\n", command->name, command->summary, command->name,
           command->arguments);
    if (command->help != NULL) {
        puts("");
        command->help();
    }
    return 0;
}
