/* SPDX-License-Identifier: Apache-2.0 */
/* Assertions for bugs. They stay on in release builds; a wrong input is never an assertion. */
#ifndef ROOST_BASE_ASSERT_H
#define ROOST_BASE_ASSERT_H

_Noreturn void roost_assert_failed(const char *expression, const char *file, int line);

#define roost_assert(expression)                                                                   \
    ((expression) ? (void)0 : roost_assert_failed(#expression, __FILE__, __LINE__))

#endif
