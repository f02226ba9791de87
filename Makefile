# weir -- `make demo` and `make test` do all that they need; `make help` lists the rest.
# SPDX-License-Identifier: MIT

LUA         = lua5.4
LUA_VERSION = 5.4
PREFIX      = /usr/local
DESTDIR     =
OUT         = build

CFLAGS      = -O2 -DNDEBUG
WARNINGS    = -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wmissing-prototypes -Wstrict-prototypes
# Debian's name for it, the names of others, and where it most often is.
LUA_CFLAGS  = $(shell pkg-config --cflags lua5.4 2>/dev/null || pkg-config --cflags lua-5.4 2>/dev/null \
                || pkg-config --cflags lua54 2>/dev/null || echo -I/usr/include/lua5.4 -I/usr/local/include/lua5.4)
BASE_FLAGS  = -std=c11 -fPIC -fvisibility=hidden $(WARNINGS) -Icsrc
SHARED      = -shared
SANITIZE    = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

CORE        = $(OUT)/weir/core.so
SOURCES    := $(wildcard csrc/*.c csrc/*.h csrc/kernel/*.c csrc/kernel/*.h csrc/bind/*.c csrc/bind/*.h)
KERNEL     := $(wildcard csrc/kernel/*.c)
EXPLORERS  := $(wildcard spec/kernel/*_explore.c)
# What `require` finds; lua/weir/meta/ is for editors.
MODULES    := $(filter-out lua/weir/meta%,$(wildcard lua/weir/*.lua lua/weir/*/*.lua))

# Programs, the specs and the programs that these start find the tree's modules and this build's core.
WITH_TREE   = LUA_PATH='$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;;' \
              LUA_CPATH='$(CURDIR)/$(OUT)/?.so;;' WEIR_BUILD='$(OUT)'
# busted is a Lua program (Debian's) or a shell script that starts one (LuaRocks'). The first is run by our Lua at
# once: given --lua, it would start a second one, which no checker sees and no time limit ends.
BUSTED      = $(shell file=$$(command -v busted); if head -n 1 "$$file" | grep -q lua; \
                then echo $(LUA) $$file --ignore-lua; else echo busted --lua="$$(command -v $(LUA))"; fi)
SPECS       = spec
# A spec that hangs is a failure, not a wait.
LIMIT       = $(shell command -v timeout >/dev/null 2>&1 && echo timeout --foreground 600)

.PHONY: all help build demo test check check-asserting check-asan check-valgrind check-oom \
        coverage check-coverage tidy collector check-collector fuzz fuzz-merge fuzz-replay soak load run-soak run-load \
        run lint warnings kernel-check kernel-test asan oom valgrind docs bench bench-check dist install uninstall clean symbols

all: build

help:
	@echo 'make demo         install what is missing, build, index the Lua files of this machine'
	@echo 'make test         install what is missing, build, run every spec'
	@echo 'make build        the core alone: $(CORE)'
	@echo 'make check        every spec, on what is there (SPECS=spec/mpsc_spec.lua for one)'
	@echo 'make run FILE=examples/01-words.lua'
	@echo 'make kernel-test  the explorers of the C kernel, under ASan and UBSan'
	@echo 'make oom          a Lua whose memory runs out at each allocation in turn'
	@echo 'make collector    the suite with a collector that is in the way'
	@echo 'make api          the suite on a Lua that checks itself and its C API'
	@echo 'make fuzz         new programs for SECONDS=60        make fuzz-replay  those that were kept'
	@echo 'make soak         random programs, flat memory, for SECONDS=60 or HOURS=1'
	@echo 'make load         the two servers among bad clients, for SECONDS=60'
	@echo 'make asan         the suite under ASan and UBSan     make valgrind   under memcheck'
	@echo 'make coverage     which lines and branches of the core all of that goes through'
	@echo 'make tidy         clang-tidy, gcc -fanalyzer'
	@echo 'make lint         luacheck                           make docs       the HTML pages'
	@echo 'make bench        figures                            make bench-check  against the recorded ones'
	@echo 'make install      with DESTDIR, PREFIX, LUA_VERSION  make uninstall, make clean'

build: $(CORE)
	@:

$(CORE): $(SOURCES) Makefile
	@mkdir -p $(@D)
	$(CC) $(BASE_FLAGS) $(CFLAGS) $(LUA_CFLAGS) $(SHARED) $(LDFLAGS) -o $@ csrc/weir.c

# ---- the two commands -------------------------------------------------------------------------------

demo:
	@sh tools/setup.sh demo
	@$(MAKE) --no-print-directory build
	@$(WITH_TREE) $(LUA) examples/index.lua

test:
	@sh tools/setup.sh test
	@$(MAKE) --no-print-directory check

# Assertions are off in what is installed, and on in what is tested. A process for each file (tools/specs.sh).
check: symbols
	@$(MAKE) --no-print-directory check-asserting OUT=build/test CFLAGS='-O2 -g'

check-asserting: build
	@$(WITH_TREE) sh tools/specs.sh '$(LIMIT) $(BUSTED)' $(SPECS)

run: build
	@$(WITH_TREE) $(LUA) $(FILE) $(ARGS)

# ---- checks -----------------------------------------------------------------------------------------

# Nothing but the one entry point leaves the core.
symbols: build
	@exported=$$(nm -D --defined-only $(CORE) | awk '{ print $$3 }' | grep -v '^_' | sort); \
	[ "$$exported" = luaopen_weir_core ] || { echo "$(CORE) exports:" $$exported; exit 1; }

lint:
	luacheck --quiet lua spec examples bench .luacheckrc .busted

# The kernel knows nothing of Lua: each file compiles alone, without Lua's include path.
kernel-check:
	@for file in $(KERNEL); do \
	  $(CC) -std=c11 -Werror $(WARNINGS) -Icsrc -fsyntax-only $$file || exit 1; \
	done

# For a caller that adds to them.
warnings:
	@echo '$(WARNINGS)'

# Each explorer twice: to its full depth, and a part of it under the sanitizers.
KERNEL_FLAGS = -std=c11 -g -O2 $(WARNINGS) -Icsrc/kernel
kernel-test: kernel-check
	@mkdir -p $(OUT)/kernel
	@for file in $(EXPLORERS); do \
	  program=$(OUT)/kernel/$$(basename $$file .c); \
	  $(CC) $(KERNEL_FLAGS) -o $$program $$file $(KERNEL) && $$program || exit 1; \
	  $(CC) $(KERNEL_FLAGS) $(SANITIZE) -DSANITIZED -o $$program.san $$file $(KERNEL) && $$program.san || exit 1; \
	done

# A Lua whose memory runs out at each allocation in turn.
oom:
	@$(MAKE) --no-print-directory check-oom OUT=build/oom CFLAGS='-O1 -g'

check-oom: build
	$(CC) -std=c11 -O1 -g $(WARNINGS) $(LUA_CFLAGS) -Wl,-E -o $(OUT)/host spec/oom/host.c $$(pkg-config --libs lua5.4) -ldl -lm
	@$(WITH_TREE) $(OUT)/host spec/oom/cases.lua

# The lines and branches of the core that the specs, the explorers and the host go through, all told. Assertions are
# off: nobody is to see their other branch. A spec that fails here counts all the same. A host that lets the core go
# and loads it anew thousands of times would write the counts each time: it holds it.
coverage:
	@$(MAKE) --no-print-directory check-coverage OUT=build/coverage CFLAGS='-O0 -g -DNDEBUG --coverage'

check-coverage: build
	@find $(OUT) -name '*.gcda' -exec rm -f {} +
	@for spec in $(sort $(wildcard spec/*_spec.lua spec/*/*_spec.lua)); do \
	  $(WITH_TREE) $(LIMIT) $(BUSTED) --output=TAP $$spec >$(OUT)/log 2>&1 || { echo "$$spec fails:"; grep -A 20 '^not ok' $(OUT)/log; }; \
	done
	$(CC) -std=c11 -O1 $(LUA_CFLAGS) -Wl,-E -o $(OUT)/host spec/oom/host.c $$(pkg-config --libs lua5.4) -ldl -lm
	@$(WITH_TREE) LD_PRELOAD='$(CURDIR)/$(CORE)' $(OUT)/host spec/oom/cases.lua
	@mkdir -p $(OUT)/kernel
	@for file in $(EXPLORERS); do \
	  program=$(OUT)/kernel/$$(basename $$file .c); \
	  $(CC) -std=c11 $(CFLAGS) -Icsrc/kernel -o $$program $$file $(KERNEL) && EXPLORE_SCALE=0.05 $$program || exit 1; \
	done
	@$(LUA) spec/coverage/report.lua $(OUT)

# clang-tidy as .clang-tidy tells it: the core as one unit, then file by file, since its analyzer follows only what stands
# in the file it is given (snapshot.c and trace.c do not stand alone). And gcc's analyzer, which goes through it all.
# select.c finds its branches in a first pass over a Lua table and reads them again in a second: an Op that is NULL in
# the one cannot be met in the other, which no analyzer can know. To gcc 12 a bit field of a task that it finds in a list
# is not initialised; clang-tidy and memcheck look for that, too.
TIDY_FLAGS  = -std=c11 -D_GNU_SOURCE= -Icsrc $(LUA_CFLAGS)
TIDY_ALONE  = $(filter-out %/snapshot.c %/trace.c,$(filter csrc/kernel/%.c csrc/bind/%.c,$(SOURCES)))
tidy:
	clang-tidy --quiet csrc/weir.c -- $(TIDY_FLAGS) 2>/dev/null
	@for file in $(TIDY_ALONE); do \
	  case $$file in */select.c) less=-clang-analyzer-core.NullDereference ;; *) less= ;; esac; \
	  clang-tidy --quiet --checks=$$less $$file -- $(TIDY_FLAGS) -include spec/tidy.h 2>/dev/null || exit 1; \
	done
	gcc $(TIDY_FLAGS) -O2 -fanalyzer -Wno-analyzer-use-of-uninitialized-value -Werror -c -o /dev/null csrc/weir.c

# Programs over the core that libFuzzer makes up (clang), and a replay of those that were kept (any compiler). Clock,
# sleep and seed are the fuzzer's own, so a program does the same every time. (A program may write files: where it runs.)
SECONDS     = 60
FUZZ_FLAGS  = -std=c11 -g -O1 $(WARNINGS) -Icsrc $(LUA_CFLAGS) -fno-sanitize-recover=all -fno-omit-frame-pointer \
              -Dclock_gettime=fuzz_clock_gettime -Dpselect=fuzz_pselect -Dgetpid=fuzz_getpid
FUZZ_LINK   = spec/fuzz/fuzz.c csrc/weir.c $$(pkg-config --libs lua5.4)
FUZZ_RUN    = ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
fuzz: $(OUT)/fuzz/fuzz
	@mkdir -p $(OUT)/fuzz/found
	cd $(OUT)/fuzz && $(FUZZ_RUN) ./fuzz -max_len=602 -timeout=20 -max_total_time=$(SECONDS) -verbosity=0 \
	  -print_final_stats=1 found $(CURDIR)/spec/fuzz/corpus

# What was found and covers more, into the corpus; what covers no more, out of it.
fuzz-merge: $(OUT)/fuzz/fuzz
	@rm -rf $(OUT)/fuzz/merged && mkdir -p $(OUT)/fuzz/found $(OUT)/fuzz/merged
	$(FUZZ_RUN) $(OUT)/fuzz/fuzz -max_len=602 -merge=1 $(OUT)/fuzz/merged spec/fuzz/corpus $(OUT)/fuzz/found
	@rm -f spec/fuzz/corpus/* && cp $(OUT)/fuzz/merged/* spec/fuzz/corpus/

fuzz-replay: $(OUT)/fuzz/replay
	cd $(OUT)/fuzz && $(FUZZ_RUN) ./replay $(CURDIR)/spec/fuzz/corpus

$(OUT)/fuzz/fuzz: spec/fuzz/fuzz.c $(SOURCES)
	@mkdir -p $(@D)
	clang $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -o $@ $(FUZZ_LINK)

$(OUT)/fuzz/replay: spec/fuzz/fuzz.c $(SOURCES)
	@mkdir -p $(@D)
	$(CC) $(FUZZ_FLAGS) -fsanitize=address,undefined -DREPLAY -o $@ $(FUZZ_LINK)

# With assertions, as the specs. OPERATIONS of each kind for the memory; the programs take the time.
OPERATIONS = 1000000
soak load:
	@$(MAKE) --no-print-directory run-$@ OUT=build/test CFLAGS='-O2 -g'

run-soak: build
	@$(WITH_TREE) $(LUA) spec/soak/soak.lua --operations $(OPERATIONS) \
	  --seconds $(if $(HOURS),$$(( $(HOURS) * 3600 )),$(SECONDS))

run-load: build
	@$(WITH_TREE) $(LUA) spec/soak/load.lua --seconds $(SECONDS)

# Programs that the specs start inherit the checker; what they start besides is not ours, so no leak check here.
asan:
	@$(MAKE) --no-print-directory check-asan OUT=build/asan CFLAGS='-O1 -g $(SANITIZE)'

check-asan: build
	@checker="WEIR_CHECKER=asan ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1"; \
	preload="LD_PRELOAD=$$($(CC) -print-file-name=libasan.so):$$($(CC) -print-file-name=libubsan.so)"; \
	$(WITH_TREE) sh tools/specs.sh "$(LIMIT) env $$checker $$preload $(BUSTED)" $(SPECS)

# The collector in the way, in four manners. A process for each file: a whole collection walks what is alive. Left out:
# what mostly waits for other programs, what steers the collector itself (finalizer, regress/003 to 005 and 007), and what is made to be long.
COLLECTORS  = step cycle generational reversed
COLLECTED   = $(if $(filter spec,$(SPECS)),$(filter-out $(addprefix spec/,$(addsuffix _spec.lua,chat cqueues docs \
                examples finalizer interrupt kv luv rock)) \
                spec/regress/003-% spec/regress/004-% spec/regress/005-% spec/regress/007-%,\
                $(wildcard spec/*_spec.lua spec/regress/*_spec.lua)),$(SPECS))
collector:
	@$(MAKE) --no-print-directory check-collector OUT=build/collector CFLAGS='-O2 -g'

check-collector: build $(OUT)/collector.so
	@for mode in $(COLLECTORS); do \
	  echo "$$mode"; \
	  for spec in $(COLLECTED); do \
	    $(WITH_TREE) WEIR_COLLECTOR=$$mode WEIR_COLLECTOR_CORE=$(CURDIR)/$(OUT)/collector.so \
	      LUA_INIT_5_4=@$(CURDIR)/spec/collector.lua $(LIMIT) \
	      $(BUSTED) --exclude-tags=slow -o plainTerminal $$spec >$(OUT)/collector.log 2>&1 || \
	      { cat $(OUT)/collector.log; echo "$$spec fails with WEIR_COLLECTOR=$$mode"; exit 1; }; \
	    grep ' success' $(OUT)/collector.log; \
	  done; \
	done

# The same files on a Lua that asserts what it does and how its C API is used, made from the system's source package.
api:
	@lua=$$(sh tools/checked-lua.sh build/api); \
	if [ -n "$$lua" ]; then \
	  $(MAKE) --no-print-directory check-api OUT=build/api CFLAGS='-O1 -g' LUA="$$lua"; \
	else echo 'the checks of the Lua C API were left out'; fi

check-api: build
	@for spec in $(COLLECTED); do \
	  $(WITH_TREE) $(LIMIT) $(BUSTED) --exclude-tags=slow -o plainTerminal $$spec >$(OUT)/api.log 2>&1 || \
	    { cat $(OUT)/api.log; echo "$$spec fails on $(LUA)"; exit 1; }; \
	  grep ' success' $(OUT)/api.log; \
	done

$(OUT)/collector.so: spec/collector.c Makefile
	@mkdir -p $(@D)
	$(CC) -std=c11 -O2 -fPIC $(WARNINGS) $(LUA_CFLAGS) $(SHARED) -o $@ spec/collector.c -ldl

# Memcheck is some thirty times slower: what would take it minutes is tagged #slow, what only starts programs is
# left out, and each file runs in a process of its own, or each full collection would walk all the others.
# A part that goes through every file of the core; the whole suite runs under ASan and UBSan.
CHECKED_SPECS = $(addprefix spec/,$(addsuffix _spec.lua,actor barrier broadcast budget call cancel_safety cancellation \
                  gc handles join_set lock loop))
valgrind:
	@$(MAKE) --no-print-directory check-valgrind OUT=build/valgrind CFLAGS='-O1 -g'

check-valgrind: build
	@for spec in $(CHECKED_SPECS); do \
	  echo "$$spec"; \
	  $(WITH_TREE) WEIR_CHECKER=valgrind $(LIMIT) valgrind --quiet --error-exitcode=99 --leak-check=full \
	    --show-leak-kinds=definite --errors-for-leak-kinds=definite \
	    $(BUSTED) --exclude-tags=slow $$spec || exit 1; \
	done

# ---- papers and figures -----------------------------------------------------------------------------

docs:
	@$(MAKE) --no-print-directory -C docs OUT=$(CURDIR)/$(OUT)/docs

bench: build
	@$(WITH_TREE) $(MAKE) --no-print-directory -C bench bench

bench-check: build
	@$(WITH_TREE) $(MAKE) --no-print-directory -C bench check

# ---- packages ---------------------------------------------------------------------------------------

# What a release is: an archive, and the rockspec that says where it lies (URL=https://...).
VERSION = 0.1.0
DIST    = $(OUT)/dist
URL     = file://$(CURDIR)/$(DIST)/weir-$(VERSION).tar.gz
dist:
	@rm -rf $(DIST) && mkdir -p $(DIST)
	git archive --prefix=weir-$(VERSION)/ -o $(DIST)/weir-$(VERSION).tar.gz HEAD
	sed 's|^  url = .*|  url = "$(URL)",|' rockspec/weir-$(VERSION)-1.rockspec >$(DIST)/weir-$(VERSION)-1.rockspec

LIB_DIR   = $(DESTDIR)$(PREFIX)/lib/lua/$(LUA_VERSION)
SHARE_DIR = $(DESTDIR)$(PREFIX)/share/lua/$(LUA_VERSION)

install: build
	@mkdir -p '$(LIB_DIR)/weir'
	install -m 755 $(CORE) '$(LIB_DIR)/weir/core.so'
	@for file in $(MODULES:lua/%=%); do \
	  mkdir -p "$(SHARE_DIR)/$$(dirname $$file)" && install -m 644 lua/$$file "$(SHARE_DIR)/$$file" || exit 1; \
	done
	@echo 'installed below $(DESTDIR)$(PREFIX) for Lua $(LUA_VERSION)'

uninstall:
	rm -rf '$(LIB_DIR)/weir' '$(SHARE_DIR)/weir'

clean:
	rm -rf $(OUT)
