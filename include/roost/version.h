/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ROOST_VERSION_H
#define ROOST_VERSION_H

#define ROOST_VERSION "0.1.0"

#endif
