#: make test     install what is missing, build, run the selftests on three real kernels, compare the
#:               first two, fuzz the first for a minute, say where the report is
#:                 KERNEL='SPEC ...'  these kernels instead: deb:6.1/cloud, path:bzImage, host ...
#:                 SUITE='NAME ...'   these suites, and nothing but selftests
#:                 FILTER='GLOB ...'  these cases, and nothing but selftests
#:                 J=N                so many virtual machines at once
#:                 FUZZ=TIME          fuzz for so long (60s)
#: make check    the project's own tests: rustfmt, clippy, cargo test with real virtual machines
#: make check-full  the same, and the slow proofs: boots beside hogs, sudden death, a million damaged inputs,
#:               the page in a browser where chromium is installed
#: make check-kernels  Linux itself: a tree built, tested, broken and bisected, and one with hundreds of
#:               mutants to catch
#: make bench    the figures, as a table (minutes; on an idle machine)
#: make build    the program: target/release/gauntlet
#: make clean    remove what was built

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DELETE_ON_ERROR:

CARGO ?= cargo
# What `make test` runs on. The first two are compared, the first is fuzzed.
KERNEL ?= deb:6.1/cloud deb:6.12/cloud deb:6.1/rt
SUITE ?=
FILTER ?=
J ?=
FUZZ ?= 60s

built := $(or $(CARGO_TARGET_DIR),target)
gauntlet := $(built)/release/gauntlet
# Which runs go onto the one page at the end.
noted := --run-file $(built)/runs
kernels := $(KERNEL:%=-k %)
jobs := $(J:%=-j %)
# nextest, where it is installed, runs the same tests and ends with one summary.
tester := $(if $(shell command -v cargo-nextest),nextest run --no-fail-fast,test --no-fail-fast)

# Installs packages with apt, asking for rights where it takes some.
define install-function
sudo=; [ "$$(id -u)" -eq 0 ] || sudo=sudo
	install() {
	    command -v apt-get >/dev/null || { echo "no apt-get here: install these yourself" >&2; return 1; }
	    local apt="$$sudo env DEBIAN_FRONTEND=noninteractive apt-get"
	    # Package lists may be missing or stale; fetch them only then.
	    $$apt install -qq -y --no-install-recommends "$$@" ||
	        { $$apt update -qq && $$apt install -qq -y --no-install-recommends "$$@"; }
	}
endef

.PHONY: help test build packages tree-packages check check-full check-kernels bench clean
.SILENT:

help:
	sed -n 's/^#: \?//p' Makefile

test: build
	worst=0
	rm -f $(built)/runs
	step() {
	    echo; echo "== $$1"; shift
	    local code=0
	    "$$@" || code=$$?
	    # Interrupted: stop here. Else the worst code is ours, and the rest still runs.
	    [ $$code -ne 130 ] || exit 130
	    [ $$code -le $$worst ] || worst=$$code
	}
	step 'kernels' $(gauntlet) kernel fetch $(KERNEL)
	[ $$worst -eq 0 ] || exit $$worst
	step 'selftests' $(gauntlet) test $(noted) $(kernels) $(jobs) $(SUITE:%=--suite %) $(FILTER:%=--filter '%')
	$(if $(SUITE)$(FILTER),,
	$(if $(word 2,$(KERNEL)),step 'performance' $(gauntlet) perf $(noted) --seeds 1 --allow-slower -k $(word 1,$(KERNEL)) -k $(word 2,$(KERNEL)) $(jobs))
	step 'fuzzing' $(gauntlet) fuzz $(noted) -k $(firstword $(KERNEL)) --time $(FUZZ) $(jobs)
	[ ! -e $(built)/runs ] || {
	    $(gauntlet) report --format html --output $(built)/report.html $$(cat $(built)/runs)
	    echo; echo "everything on one page: $(abspath $(built)/report.html)"
	}
	)
	exit $$worst

build: packages
	$(CARGO) build --release --locked

# Programs and files that must be there, and the Debian package of each.
packages:
	missing=()
	command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
	command -v cc >/dev/null || missing+=(gcc)
	# The agent is static, so the C library must be there as libc.a.
	[ -e "$$(cc -print-file-name=libc.a 2>/dev/null)" ] || missing+=(libc6-dev)
	# Without these, cases on a filesystem skip; so they are no reason to stop.
	wished=()
	for pair in mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs; do
	    PATH=$$PATH:/usr/sbin:/sbin command -v $${pair%:*} >/dev/null || wished+=($${pair#*:})
	done
	[ $${#missing[@]}$${#wished[@]} != 00 ] || exit 0
	echo "installing: $${missing[*]} $${wished[*]}"
	$(install-function)
	[ $${#missing[@]} -eq 0 ] || install "$${missing[@]}"
	[ $${#wished[@]} -eq 0 ] || install "$${wished[@]}" || echo "going on without: $${wished[*]}" >&2

# What building a kernel and its selftests takes, and a kernel to build.
tree-packages := git flex bison bc libelf-dev libssl-dev libcap-dev libfuse-dev pkg-config fuse3 rsync python3-minimal clang lld llvm linux-source-6.1

tree-packages:
	missing=()
	for package in $(tree-packages); do
	    dpkg-query --show --showformat='$${Status}' $$package 2>/dev/null | grep -q ' installed$$' || missing+=($$package)
	done
	[ $${#missing[@]} -ne 0 ] || exit 0
	echo "installing: $${missing[*]}"
	$(install-function)
	install "$${missing[@]}"

check: packages
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) $(tester) --workspace --locked

# The slow proofs load the machine on purpose, so they run alone and not beside other tests.
check-full: check
	export GAUNTLET_SLOW=1
	$(CARGO) $(tester) --package gauntlet --locked --test hostile
	$(CARGO) $(tester) --package gauntlet --locked --test machine endurance
	command -v chromium >/dev/null || echo 'SKIPPED: the page in a browser: apt-get install chromium poppler-utils' >&2
	$(CARGO) $(tester) --package gauntlet-results --locked --test browser

# These build Linux three times, which takes longer than everything above; the watchdogs' faults want a host that is idle.
check-kernels: packages tree-packages
	export GAUNTLET_SLOW=1
	$(CARGO) $(tester) --package gauntlet --locked --test machine what_only_watchdogs
	$(CARGO) $(tester) --package gauntlet --locked --test machine trees
	$(CARGO) $(tester) --package gauntlet-results --locked --test kunit
	$(CARGO) $(tester) --package gauntlet --locked --test machine checked
	$(CARGO) $(tester) --package gauntlet --locked --test machine mutants

bench: packages
	$(CARGO) bench --locked --package gauntlet --bench figures

clean:
	$(CARGO) clean
