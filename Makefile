# Copyright (c) the memkv authors.  All rights reserved.
# Licensed under the Apache License, Version 2.0; see LICENSE.
#
# A thin front for CMake and CTest.
#
#   make deps            name the packages that are missing, and install them as
#                        root or by sudo; nothing else here installs anything
#   make release         build into build/release (and RocksDB, the first time)
#   make demo            build, then load real records and compare with stock
#                        RocksDB; KEYS=FILE takes any file of keys instead
#   make bench           build, then measure what memkv does for KEYS=FILE (by
#                        default generated URLs): a table, and report.html;
#                        FLAGS='...' are memkv_bench's
#   make numbers         the same, twice, into docs/numbers/NAME.json, and from
#                        there into the documents; NAME=urls by default; ONCE=1
#                        measures once; FLAGS=--delta or --scale and NAME=delta
#                        or scale for docs/delta_size.md and docs/scale.md
#   make ceph_demo       Ceph's object store on stock RocksDB and on memkv, from
#                        Debian's packages: docs/distributed.md; SCALE=5 for a
#                        twentieth of it
#   make ceph_faults     kill it, take the library away, go there and back
#   make quick           the cores and their unit tests with sanitizers, format
#                        and lint, without RocksDB: the loop of who edits a core
#   make check           build and run every test, sanitizers included, but for those
#                        that have passed before with the same program and inputs
#                        (tests/unless_passed.sh); ANEW=1 runs these, too
#   make rocksdb_tests   run RocksDB's own database tests on memkv; the first
#                        time, build them: docs/rocksdb_tests.md
#   make stress          run RocksDB's stress and crash tests on memkv, for
#                        STRESS_SECONDS=600 in all; FLAVOUR=sanitize for those
#                        with assertions and sanitizers; tests/stress/run.sh has
#                        the other settings
#   make fuzz            fuzz the cores, FUZZ_SECONDS=60 a target; needs clang
#   make fuzz_files      damage whole FST files and drive databases over them,
#                        FUZZ_SECONDS=60 from FUZZ_SEED=1 on, with sanitizers
#   make format          clang-format over our sources
#   make clean           remove build/ (the RocksDB cache stays)

MAKEFLAGS += --no-print-directory
FLAVOURS := release sanitize tsan
JOBS := $(shell nproc 2>/dev/null || echo 2)
# Passed on to every configuration, e.g. CMAKE_ARGS=-DMEMKV_ROCKSDB_SOURCE_DIR=DIR
CMAKE_ARGS ?=
FUZZ_SECONDS ?= 60
FUZZ_SEED ?= 1

.DEFAULT_GOAL := release
.PHONY: $(FLAVOURS) memkv_bench demo bench numbers ceph_library ceph_demo ceph_faults quick check rocksdb_tests stress fuzz fuzz_files \
  format clean deps have_deps

deps:
	@build_tools/install_deps.sh --install

have_deps:
	@build_tools/install_deps.sh

$(FLAVOURS): have_deps
	@cmake --preset $@ $(CMAKE_ARGS)
	@cmake --build build/$@ -j $(JOBS)

# The release flavour, and of it no more than these need.
memkv_bench: have_deps
	@cmake --preset release $(CMAKE_ARGS)
	@cmake --build build/release -j $(JOBS) --target memkv_bench

demo: memkv_bench
	@build/release/memkv_bench --demo $(if $(KEYS),--keys="$(KEYS)") $(FLAGS)

bench: memkv_bench
	@build/release/memkv_bench $(if $(KEYS),--keys="$(KEYS)") --html=report.html $(FLAGS)
	@echo "report.html shows it"

NAME ?= urls
numbers: memkv_bench
	@build_tools/numbers.sh $(if $(ONCE),once,measure) build/release/memkv_bench $(NAME) $(if $(KEYS),--keys="$(KEYS)") $(FLAGS)

# libmemkv-ceph.so, for the RocksDB inside Debian's Ceph; LIBRARY=FILE takes another.
ceph_library: have_deps
	@build_tools/ceph_library.sh build/ceph $(JOBS) $(CMAKE_ARGS)

ceph_demo: $(if $(LIBRARY),,ceph_library)
	@demo/ceph/run.sh $(if $(LIBRARY),--library="$(LIBRARY)") $(if $(SCALE),--scale=$(SCALE)) $(FLAGS)

ceph_faults: $(if $(LIBRARY),,ceph_library)
	@demo/ceph/faults.sh $(if $(LIBRARY),--library="$(LIBRARY)") $(if $(SCALE),--scale=$(SCALE)) $(FLAGS)

quick: have_deps
	@tests/docs/lint_test.sh .
	@tests/docs/layers_test.sh .
	@cmake --preset quick $(CMAKE_ARGS) >/dev/null
	@cmake --build build/quick -j $(JOBS) -- -s --no-print-directory
	@ctest --test-dir build/quick --no-tests=error --output-on-failure -j $(JOBS)

# The trees are built one after the other, each with all cores; the first that
# does not build ends it.  Then one ctest run covers them all, so that there is
# one summary.
check:
	@for flavour in $(FLAVOURS); do $(MAKE) $$flavour || exit 1; done
	@mkdir -p build/check
	@printf 'subdirs(%s)\n' '$(FLAVOURS:%=../%)' > build/check/CTestTestfile.cmake
	@$(if $(filter 1,$(ANEW)),,echo 'What has passed before, with the same program and inputs, is not run again; ANEW=1 runs it')
	@MEMKV_SKIP_PASSED=$(if $(filter 1,$(ANEW)),0,1) ctest --test-dir build/check --no-tests=error --output-on-failure -j $(JOBS)

# BINARIES='db_test ...' are those to run, all by default; MEMKV_FORCE=none runs
# them on RocksDB alone.
rocksdb_tests: have_deps
	@cmake --preset debug $(CMAKE_ARGS)
	@cmake --build build/debug -j $(JOBS)
	@JOBS=$(JOBS) tests/rocksdb/run.sh build/debug $(BINARIES)

FLAVOUR ?= release
stress: have_deps
	@cmake --preset $(FLAVOUR) $(CMAKE_ARGS)
	@cmake --build build/$(FLAVOUR) -j $(JOBS) --target db_stress kill_writer
	@tests/stress/run.sh build/$(FLAVOUR)

# What a target has found to be worth keeping stays in build/fuzz/corpus, for the
# next run; an input that fails, in build/fuzz/failed.
fuzz: have_deps
	@cmake --preset fuzz $(CMAKE_ARGS)
	@cmake --build build/fuzz -j $(JOBS)
	@for target in build/fuzz/tests/fuzz_*_fuzz; do \
	  name=$$(basename $$target); \
	  mkdir -p build/fuzz/corpus/$$name build/fuzz/failed || exit 1; \
	  $$target -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=20 \
	    -print_final_stats=1 -artifact_prefix=build/fuzz/failed/$$name- \
	    build/fuzz/corpus/$$name || exit 1; \
	done

# As make check builds it, but nothing else of it.
fuzz_files: have_deps
	@cmake --preset sanitize $(CMAKE_ARGS)
	@cmake --build build/sanitize -j $(JOBS) --target fuzz_files
	@UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	  $$(setarch -R true 2>/dev/null && echo setarch -R) \
	  build/sanitize/tests/fuzz_files --seconds=$(FUZZ_SECONDS) \
	  --seed=$(FUZZ_SEED) --keep=build/fuzz/failed

format:
	@git ls-files -co --exclude-standard '*.h' '*.cc' | xargs clang-format -i

clean:
	@rm -rf build
