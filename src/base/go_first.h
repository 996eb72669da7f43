/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOST_BASE_GO_FIRST_H
#define ROOST_BASE_GO_FIRST_H

/*
 * For a thread that measures others, runs for microseconds and must not be held up by them: what is
 * measured is the server, and not how it delays who measures it. Asks not to wait for the whole
 * time slices of others (Linux 6.12; older kernels ignore it), and to go before them, where that is
 * allowed. Any thread, for itself; system calls.
 */
void thread_go_first(void);

#endif
