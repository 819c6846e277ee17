# make         the program, in bin/
# make check   quick checks: before each commit
# make test    installs what the tests need (as root), then runs them all
# make bench   what exchanges, verifications, checks and questions cost, beside the least possible
# make generate  code of proto/**.proto, generated parts of docs and golden files that follow the code

GO ?= go
# Without gRPC's request traces (a debugging page that is not served) no template
# engine is linked, for which the linker would keep every method of every type:
# two megabytes of a quiet server.
TAGS = grpcnotrace
STATICCHECK = $(GO) tool -modfile=tools/go.mod staticcheck
# Packages whose race tests are quick.
RACE = ./internal/access ./internal/audit ./internal/credential ./internal/gate ./internal/keyfile ./internal/mint \
	./internal/operation ./internal/replica ./internal/rest ./internal/revocation ./internal/seal ./propusktest

.PHONY: all check test bench generate
all:
	$(GO) build -tags $(TAGS) -o bin/propusk ./cmd/propusk

check:
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "gofmt would change:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet ./...
	cd token && $(GO) vet ./...
	$(STATICCHECK) ./...
	$(GO) test -run 'TestImportsGoDown|TestToken|TestWire|TestCompatibility|TestNoCredentials' .
	$(GO) run -C tools ./protogen -check
	$(GO) test -run 'TestManual' ./internal/server
	cd token && $(GO) test -short ./...
	@if $(GO) env CGO_ENABLED | grep -q 1 && command -v $$($(GO) env CC) >/dev/null; then \
		echo "$(GO) test -race -short"; $(GO) test -race -short $(RACE); \
	else echo "left out: race tests need a C compiler"; fi

test:
	@scripts/test.sh

bench:
	$(GO) run ./bench

generate:
	$(GO) run -C tools ./protogen
	$(GO) test -run TestCompatibilityIsFresh . -update
	$(GO) test -run TestHelpOfTheTree ./internal/cli -update
