# Perilune: an object-relational mapper in C for Lua 5.4, over SQLite. GNU make.
#
#: make            build the program, the Lua module and the library into build/
#: make run        install what is missing, build, run examples/tutorial.lua
#: make test       the same, then C tests, specs and examples
#:                 (one part: make unit, make specs SPEC=spec/x_spec.lua, make examples)
#: make asan       the same under the address and undefined-behaviour sanitizers
#: make tsan       hosts in threads under the thread sanitizer
#: make gcstress   the specs with the collector at its most aggressive
#: make differential  Perilune beside SQLAlchemy on the same scenarios: what differs
#: make fuzz       the fuzz targets, FUZZ_SECONDS each (FUZZ=uri for one of them)
#: make lint       warnings as errors, format, static analysis, house rules
#: make bench      the benchmarks in spec/bench (BENCH=--quick and other options)
#: make install    into $DESTDIR$PREFIX, /usr/local unless told
#: make docs       reference pages of the Lua modules and the classes in build/doc
#: make deps       install the Debian packages missing for a build and a test
#: make core       only build/libplcore.a, the part that knows no Lua
#: make amalgamation  the library as one C file, build/perilune.c, with its header
#:                 (AMALGAMATE=--lines: compilers name the original files)
#: make clean      remove build/
#: variables       BUILD CC CFLAGS LDFLAGS SANITIZE=address,undefined JOBS PREFIX DESTDIR

BUILD    ?= build
CFLAGS   ?= -O2 -g
LDFLAGS  ?=
SANITIZE ?=
EXTRA    ?=
PREFIX   ?= /usr/local
DESTDIR  ?=
JOBS     ?= 2
LUA      ?= lua5.4
BUSTED   ?= /usr/bin/busted
SPEC     ?= spec

VERSION := $(shell sed -n 's/^.define PERILUNE_VERSION "\(.*\)"/\1/p' bindings/pl_lua.h)

# ---- libraries ---------------------------------------------------------------

PKG_CONFIG ?= pkg-config
LIBRARIES  := sqlite3 jansson gmp
FOUND      := $(shell $(PKG_CONFIG) --exists lua5.4 $(LIBRARIES) 2>/dev/null && echo yes)
ifeq ($(FOUND),yes)
LIB_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG_CONFIG) --cflags lua5.4 $(LIBRARIES)))
LIB_LIBS   := $(shell $(PKG_CONFIG) --libs $(LIBRARIES)) -lm
LUA_LIBS   := $(shell $(PKG_CONFIG) --libs lua5.4)
READLINE   := $(shell $(PKG_CONFIG) --libs readline 2>/dev/null)
endif
need_libraries = $(if $(FOUND),,$(error lua5.4, sqlite3, jansson or gmp not found by \
  pkg-config; `make deps` installs them on Debian))

# ---- flags -------------------------------------------------------------------

WARN := -Wall -Wextra -Wshadow -Wconversion -Wvla -Wstrict-prototypes
STD  := -std=c11 -D_DEFAULT_SOURCE -Ibindings -Ihost/embed $(LIB_CFLAGS)
ifneq ($(SANITIZE),)
GUARD := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif
ALL_CFLAGS  = $(STD) $(WARN) $(WERROR) -fPIC -fvisibility=hidden $(GUARD) $(CFLAGS)
ALL_LDFLAGS = $(GUARD) -Wl,--as-needed $(LDFLAGS)
$(BUILD)/obj/host/program/%.o: private STD += $(if $(READLINE),-DPERILUNE_READLINE)

# ---- sources and objects -----------------------------------------------------

object = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

CORE    := $(call object,$(wildcard bindings/core/*/*.c))
GLUE    := $(call object,$(wildcard bindings/userdata/*.c)) $(BUILD)/gen/lua_sources.o
EMBED   := $(call object,$(wildcard host/embed/*.c))
PROGRAM := $(call object,$(wildcard host/program/*.c))
OUTSIDE := $(call object,$(EXTRA))
LUA_SRC := $(sort $(wildcard lua/perilune/*.lua lua/perilune/*/*.lua))

UNIT  := $(patsubst spec/c/%.c,$(BUILD)/unit/%,$(wildcard spec/c/t_*.c))
WHOLE := $(patsubst spec/%.c,$(BUILD)/whole/%,$(wildcard spec/embed/t_*.c spec/fault/t_*.c))

PRODUCTS := $(addprefix $(BUILD)/,perilune perilune.so libperilune.a libperilune.so.0)

.PHONY: all objs core help deps run test unit specs examples differential bench lint asan tsan gcstress \
  install docs clean now-run now-test now-bench now-lint now-asan now-tsan now-gcstress \
  fuzz now-fuzz
.DELETE_ON_ERROR:

all: $(PRODUCTS)
objs: $(CORE) $(GLUE) $(EMBED) $(PROGRAM)
core: $(BUILD)/libplcore.a

help: ; @sed -n 's/^#: \{0,1\}//p' Makefile

# ---- compiling and linking ---------------------------------------------------

# Changed flags compile everything again.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' | cmp -s - $@ || \
	  echo '$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS)' >$@
FORCE:

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	$(need_libraries)@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/lua_sources.c: lua/embed.lua $(LUA_SRC) $(wildcard lua/perilune lua/perilune/*/)
	@mkdir -p $(@D)
	@echo '  EMBED $(words $(LUA_SRC)) Lua files'
	@$(LUA) lua/embed.lua --compiled $(LUA_SRC) >$@

$(BUILD)/gen/lua_text.c: $(BUILD)/gen/lua_sources.c
	@$(LUA) lua/embed.lua $(LUA_SRC) >$@

$(BUILD)/gen/lua_sources.o: $(BUILD)/gen/lua_sources.c $(BUILD)/flags
	$(need_libraries)@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

archive = @echo '  AR    $@'; rm -f $@; $(AR) rcs $@ $(filter %.o,$^)
link    = @echo '  LD    $@'; $(CC) $(ALL_LDFLAGS)

$(BUILD)/libplcore.a: $(CORE)
	$(archive)

$(BUILD)/libperilune.a: $(CORE) $(GLUE) $(EMBED) $(OUTSIDE)
	$(archive)

# The program gives its lua_* symbols to the C modules that scripts load. Archives of the
# small libraries, where there are any, spare the dynamic linker a third of the start-up
# time; SQLite stays shared, because two copies of it in a process break its file locks.
static  = $(or $(filter /%,$(shell $(CC) -print-file-name=lib$(1).a)),-l$(1))
$(BUILD)/perilune: $(PROGRAM) $(BUILD)/libperilune.a
	$(link) -Wl,-E,--exclude-libs,libgmp.a:libjansson.a -o $@ $^ -Wl,--whole-archive $(call static,lua5.4) \
	  -Wl,--no-whole-archive $(call static,jansson) $(call static,gmp) -lsqlite3 -lm -ldl

# A Lua module must not bring a second liblua: the program that loads it has one.
$(BUILD)/perilune.so: $(CORE) $(GLUE) $(OUTSIDE)
	$(link) -shared -o $@ $^ $(LIB_LIBS)

# The library gives exactly the functions of its header.
$(BUILD)/gen/exports: host/embed/perilune.h
	@mkdir -p $(@D)
	@{ echo '{ global:'; sed -n 's/^PERILUNE_API.*[ *]\([a-z_]*\)(.*/\1;/p' $<; \
	  echo 'local: *; };'; } >$@

$(BUILD)/libperilune.so.0: $(CORE) $(GLUE) $(EMBED) $(OUTSIDE) $(BUILD)/gen/exports
	$(link) -shared -Wl,-soname,$(@F),--version-script,$(BUILD)/gen/exports -o $@ \
	  $(filter %.o,$^) $(LIB_LIBS) $(LUA_LIBS)

$(BUILD)/unit/%: spec/c/%.c $(BUILD)/libplcore.a
	$(need_libraries)@mkdir -p $(@D)
	$(link) $(ALL_CFLAGS) -MMD -MP -o $@ $(filter %.c %.a,$^) $(LIB_LIBS) -lcmocka

$(BUILD)/whole/%: spec/%.c $(BUILD)/libperilune.a
	$(need_libraries)@mkdir -p $(@D)
	$(link) $(ALL_CFLAGS) -MMD -MP -o $@ $(filter %.c %.a,$^) $(LIB_LIBS) $(LUA_LIBS) -lcmocka

# What specs drive the shell with.
$(BUILD)/pty: spec/support/pty.c
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) -std=c11 $(WARN) $(CFLAGS) -o $@ $<

# Tests of faults have the file system that fails.
$(filter $(BUILD)/whole/fault/%,$(WHOLE)): spec/fault/fault_vfs.c

-include $(patsubst %.o,%.d,$(CORE) $(GLUE) $(EMBED) $(PROGRAM) $(OUTSIDE))
-include $(addsuffix .d,$(UNIT) $(WHOLE))

# Programs in C under examples/ use the library as anybody's would: by its header only.
EMBEDDED  := $(patsubst examples/embed/%.c,$(BUILD)/embed/%,$(wildcard examples/embed/*.c))
WEBSERVER := $(BUILD)/embed/webserver
use_library = $(CC) -std=c99 -D_DEFAULT_SOURCE -Wall -Wextra -Ihost/embed $(GUARD) $(CFLAGS) \
  -o $@ $(filter %.c %.a,$^) $(LIB_LIBS) $(LUA_LIBS)
MICROHTTPD := $(shell $(PKG_CONFIG) --cflags --libs libmicrohttpd 2>/dev/null)

$(BUILD)/embed/%: examples/embed/%.c $(BUILD)/libperilune.a host/embed/perilune.h
	@mkdir -p $(@D)
	@echo '  LD    $@'; $(use_library)

$(WEBSERVER): examples/web/server.c $(BUILD)/libperilune.a host/embed/perilune.h
	@mkdir -p $(@D)
	@if [ -z '$(MICROHTTPD)' ]; then \
	  echo 'examples/web: not built, libmicrohttpd is not installed'; \
	else echo '  LD    $@'; $(use_library) -lpthread $(MICROHTTPD); fi

.PHONY: embedded
embedded: $(EMBEDDED) $(WEBSERVER)

# ---- the library as one file of C --------------------------------------------

PARTS := $(patsubst %.o,%.c,$(patsubst $(BUILD)/obj/%,%,$(CORE) $(GLUE) $(EMBED)))
PARTS := $(PARTS:%/lua_sources.c=%/lua_text.c)

.PHONY: amalgamation
amalgamation: $(BUILD)/perilune.c $(BUILD)/perilune.h

$(BUILD)/perilune.c: host/amalgamate.lua $(PARTS) $(wildcard bindings/*.h bindings/*/*.h \
    bindings/core/*/*.h host/embed/*.h)
	@mkdir -p $(@D)
	@echo '  ONE   $@'
	@$(LUA) host/amalgamate.lua $(AMALGAMATE) -I bindings -I host/embed $(filter %.c,$^) >$@

$(BUILD)/perilune.h: host/embed/perilune.h
	@mkdir -p $(@D)
	@cp $< $@

# ---- running and testing -----------------------------------------------------

# These install what is missing first and read this file again with it in place.
SUBMAKE = $(MAKE) --no-print-directory $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))
deps:
	@.ci/deps build test
run: ; @.ci/deps build && $(SUBMAKE) now-run
test: ; @.ci/deps build test && $(SUBMAKE) now-test
bench: ; @.ci/deps build && $(SUBMAKE) now-bench
lint: ; @.ci/deps build test lint && $(SUBMAKE) now-lint
asan: export ASAN_OPTIONS ?= allocator_may_return_null=1
asan gcstress: export PERILUNE_KILLS ?= 20
asan: ; @.ci/deps build test && $(SUBMAKE) BUILD=$(BUILD)-asan CFLAGS='-O1 -g' \
	  SANITIZE=address,undefined now-asan
tsan: ; @.ci/deps build test && $(SUBMAKE) BUILD=$(BUILD)-tsan CFLAGS='-O1 -g' \
	  SANITIZE=thread now-tsan
gcstress: ; @.ci/deps build test && $(SUBMAKE) now-gcstress

HERE := $(abspath $(BUILD))

# One after the other, the rest too when one fails.
each = s=0; for t in $(1); do echo "-- $$t"; $(MAKE) --no-print-directory $$t || s=1; done; exit $$s

now-run: all
	@.ci/examples $(HERE)/perilune $(HERE)/examples tutorial

now-test now-asan: all $(UNIT) $(WHOLE)
	+@$(call each,unit specs examples)

now-tsan: $(BUILD)/whole/embed/t_threads
	$<

unit: $(UNIT) $(WHOLE)
	@status=0; for t in $^; do echo "unit: $$t"; $$t || status=1; done; exit $$status

# BEFORE is Lua that runs before busted is loaded. The benchmarks' spec is for full speed.
specs: export DIFFERENTIAL_SCALE ?= $(if $(BEFORE),0,$(if $(SANITIZE),0.1,1))
specs: all embedded $(BUILD)/pty
	@PERILUNE_BIN=$(HERE)/perilune $(HERE)/perilune $(if $(BEFORE),-e '$(BEFORE)') \
	  $(BUSTED) $(if $(BEFORE)$(SANITIZE),--exclude-pattern=bench_spec) $(SPEC)

examples: all
	@.ci/examples $(HERE)/perilune $(HERE)/examples

differential: all
	@$(MAKE) --no-print-directory specs SPEC=spec/differential/agreement.lua

# Programs of a small heap with a whole collection before every allocation; the specs,
# whose heap is busted's, with one whenever it has grown by a twenty-fifth.
now-gcstress: all
	@for p in spec/fault/features.lua 'spec/support/lifetimes.lua 3 1'; do \
	  $(HERE)/perilune -e 'collectgarbage("incremental", 1, 1000, 24)' $$p || exit 1; done
	@$(MAKE) --no-print-directory specs BEFORE='collectgarbage("incremental", 104, 1000, 24)'

# The driver compiles the C programs that it measures against; they use no part of this.
now-bench: all
	@$(HERE)/perilune spec/bench/run.lua --build $(HERE) $(BENCH)

# Targets of libFuzzer over a library that clang has instrumented. New inputs that reach
# new code stay in $(BUILD)-fuzz/corpus, findings in $(BUILD)-fuzz.
FUZZ         ?= $(patsubst spec/fuzz/fuzz_%.c,%,$(wildcard spec/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
FUZZ_HEAPS   := predicate jsonpath

fuzz: ; @.ci/deps build fuzz && $(SUBMAKE) BUILD=$(BUILD)-fuzz CC=clang CFLAGS='-O1 -g' \
	  SANITIZE=fuzzer-no-link,address,undefined now-fuzz

$(BUILD)/fuzz/%: spec/fuzz/fuzz_%.c $(wildcard spec/fuzz/*.h) $(BUILD)/libperilune.a
	$(need_libraries)@mkdir -p $(@D)
	@echo '  LD    $@'; $(CC) $(STD) -Ispec/fuzz -g -O1 -fsanitize=fuzzer,address,undefined \
	  -fno-sanitize-recover=all -o $@ $(filter %.c %.a,$^) $(LIB_LIBS) $(LUA_LIBS)

# Lua collects when it likes: what it still holds is no leak.
now-fuzz: $(addprefix $(BUILD)/fuzz/,$(FUZZ))
	@status=0; for t in $(FUZZ); do \
	  echo "fuzz: $$t, $(FUZZ_SECONDS) s"; mkdir -p $(BUILD)/corpus/$$t; options=; \
	  case " $(FUZZ_HEAPS) " in *" $$t "*) options=-detect_leaks=0 ;; esac; \
	  test ! -f spec/fuzz/$$t.dict || options="$$options -dict=spec/fuzz/$$t.dict"; \
	  $(BUILD)/fuzz/$$t -max_total_time=$(FUZZ_SECONDS) -timeout=10 -max_len=400 \
	    -print_final_stats=1 -verbosity=0 -artifact_prefix=$(BUILD)/$$t- $$options \
	    $(BUILD)/corpus/$$t >$(BUILD)/$$t.log 2>&1 && grep -h number_of_executed $(BUILD)/$$t.log || \
	    { tail -n 40 $(BUILD)/$$t.log; status=1; }; \
	done; exit $$status

# ---- quality -----------------------------------------------------------------

C_FILES := $(wildcard bindings/*.h bindings/*/*.[ch] bindings/core/*/*.[ch] host/*/*.[ch])
C_TESTS := $(wildcard spec/*/*.[ch])

LINTS := lint-warnings lint-format lint-rules lint-lua lint-cppcheck lint-tidy
.PHONY: $(LINTS)
now-lint:
	+@$(call each,$(LINTS))

lint-warnings:
	@$(MAKE) --no-print-directory -k BUILD=$(BUILD)-lint WERROR=-Werror objs

lint-format:
	@clang-format --dry-run -Werror $(C_FILES) $(C_TESTS)

lint-rules:
	@$(LUA) .ci/floors.lua $(C_FILES)
	@$(LUA) .ci/measure.lua $(C_FILES)

lint-lua:
	@luacheck -q $(wildcard lua spec examples host .ci)

# incorrectLogicOperator: this cppcheck misreads hexadecimal floating constants.
lint-cppcheck:
	@cppcheck -q -j$(JOBS) --std=c11 --error-exitcode=1 --inline-suppr \
	  --enable=warning,performance,portability --suppress=missingInclude \
	  --suppress=incorrectLogicOperator \
	  -Ibindings -Ihost/embed $(filter %.c,$(C_FILES))

# A third of the paths that the analyzer would look at, in half the time.
TIDY_PATHS := $(foreach part,-analyzer-config max-nodes=75000,\
    --extra-arg=-Xclang --extra-arg=$(part))

lint-tidy:
	@printf '%s\n' $(filter %.c,$(C_FILES)) | xargs -P$(JOBS) -n4 \
	  sh -c 'clang-tidy --quiet $(TIDY_PATHS) "$$@" -- $(STD) 2>/dev/null' sh

docs:
	@.ci/deps docs
	@rm -rf $(BUILD)/gen/doc && mkdir -p $(BUILD)/gen/doc
	@cp lua/doc/*.luadoc $(BUILD)/gen/doc
	@$(LUA) lua/docs.lua $(BUILD)/gen/doc $(wildcard bindings/userdata/*.c)
	@echo "file = { '$(CURDIR)/lua/perilune', '$(HERE)/gen/doc' }" >$(BUILD)/gen/doc/config.ld
	@ldoc -q --fatalwarnings -c $(BUILD)/gen/doc/config.ld -p Perilune -t 'Perilune $(VERSION)' \
	  -d $(HERE)/doc .

# ---- installing --------------------------------------------------------------

TO := $(DESTDIR)$(PREFIX)

install: all
	install -d $(TO)/bin $(TO)/include $(TO)/lib/pkgconfig $(TO)/lib/lua/5.4 \
	  $(TO)/share/man/man1
	install $(BUILD)/perilune $(TO)/bin/perilune
	install -m 644 $(wildcard host/embed/perilune.h) bindings/pl_lua.h $(TO)/include/
	install -m 644 $(BUILD)/libperilune.a $(BUILD)/libperilune.so.0 $(TO)/lib/
	ln -sf libperilune.so.0 $(TO)/lib/libperilune.so
	install -m 644 $(BUILD)/perilune.so $(TO)/lib/lua/5.4/perilune.so
	install -m 644 host/perilune.1 $(TO)/share/man/man1/perilune.1
	printf '%s\n' 'prefix=$(PREFIX)' 'libdir=$${prefix}/lib' 'includedir=$${prefix}/include' \
	  '' 'Name: perilune' 'Description: object-relational mapper in C for Lua 5.4' \
	  'Version: $(VERSION)' 'Requires.private: lua5.4 $(LIBRARIES)' \
	  'Cflags: -I$${includedir}' 'Libs: -L$${libdir} -lperilune' 'Libs.private: -lm -lpthread' \
	  >$(TO)/lib/pkgconfig/perilune.pc

clean:
	rm -rf $(BUILD) $(BUILD)-asan $(BUILD)-tsan $(BUILD)-lint $(BUILD)-fuzz
