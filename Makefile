# The project's tasks by one name each. Needs Node >= 22.19 with npm; scripts then run on the Node that npm installs here.
.PHONY: demo test check bench build clean
.DEFAULT_GOAL := demo

PROXY ?=

# An OpenID provider, a sample application and Foregate between them: http://localhost:8000/. PROXY=nginx puts nginx in front.
demo: node_modules/.package-lock.json
ifeq ($(PROXY),nginx)
	@test/install-programs.sh nginx
endif
	@PROXY=$(PROXY) npm run --silent demo

# Every test: unit, integration against real Redis, journeys with real proxies and a real browser.
test: node_modules/.package-lock.json
	@test/install-programs.sh redis-server nginx haproxy caddy chromium
	@npm test --silent

# Types, lint, format, unused code.
check: node_modules/.package-lock.json
	@npm run --silent check

# Figures, side by side with a bare server; nothing of this is a test.
bench: node_modules/.package-lock.json
	@test/install-programs.sh redis-server
	@npm run --silent bench

# What the image ships: dist/.
build: node_modules/.package-lock.json
	@npm run --silent build

clean:
	rm -rf dist build coverage

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-progress
	@touch $@
