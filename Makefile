# SPDX-License-Identifier: Apache-2.0
# A thin front of CMake and scripts/; `make help` lists the targets.

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60

.DEFAULT_GOAL := help
.PHONY: help demo build check check-demo bench bench-control fuzz soak asan tsan tidy format \
	install clean distclean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' Makefile | \
		awk -F'|' '{ printf "  make %-14s %s\n", $$1, $$2 }'

demo: build ## five models served side by side, with a live table (DEMO_SECONDS=n ends it)
	scripts/demo

build: ## the release build, in build/release
	scripts/setup
	cmake --preset release
	cmake --build --preset release -j $(JOBS)

check: ## everything that CI runs
	scripts/check

check-demo: ## of that the release build, and three seconds of the demo
	scripts/check setup demo

bench: build ## the figures of the README; exits 0 whatever they say
	scripts/bench

bench-control: build ## the live evaluation of the policies (ARGS=--quick for ten minutes)
	scripts/bench --control $(ARGS)

fuzz: ## every fuzz target for FUZZ_SECONDS each
	scripts/setup --check
	scripts/fuzz $(FUZZ_SECONDS)

soak: ## the long versions of the fault tests
	scripts/check setup gcc soak

asan: ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer
	scripts/check setup asan

tsan: ## tests of threads under ThreadSanitizer
	scripts/check setup tsan

tidy: ## clang-tidy over all C files (ten minutes and more, so not part of check)
	scripts/check setup tidy

format: ## clang-format over all C files
	git ls-files -co --exclude-standard '*.c' '*.h' | xargs -r clang-format -i

install: build ## into PREFIX (default /usr/local), DESTDIR honoured
	cmake --install build/release --prefix $(PREFIX)

clean: ## build outputs; fetched third-party files stay
	rm -rf $(addprefix build/,debug clang asan asan-clang tsan tsan-clang release fuzz bench)

distclean: ## everything under build/
	rm -rf build
