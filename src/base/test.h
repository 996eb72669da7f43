/* SPDX-License-Identifier: Apache-2.0 */
/* cmocka with the headers that it wants before itself; for tests of every folder. */
#ifndef ROOST_BASE_TEST_H
#define ROOST_BASE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
