# `make demo` and `make test` each start from a bare machine: they need make, python3 (3.11 or later, with venv) and a
# package index, nothing else. What they install goes into .venv, at the versions in constraints.txt; root gets Debian's
# chromium for the tests of pages, too.

PYTHON ?= python3
BIN := .venv/bin
# Only what is imported is compiled, and then: of all modules, few are.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt

# Where an image of a container says that no bytecode is kept, every process compiles PyTorch anew: five seconds of each.
unexport PYTHONDONTWRITEBYTECODE
# NumPy's and PyTorch's own threads would fight with the worker processes for the same cores.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
# Pictures that browser tests take of the pages, to look at.
export BEATSSL_SCREENSHOTS ?= $(CURDIR)/screenshots

.PHONY: help demo figures segmenter encoders default labels statements scorecard shift study test lint types imports pytest browser data format clean

help:
	@echo "make demo    analyze a record; prepare a synthetic cohort, pretrain an encoder on it: demo/index.html"
	@echo "make test    lint, types, import direction and the whole test suite"
	@echo "make lint types imports pytest    one of these alone"
	@echo "make figures DATA=data    measure every figure of docs/results.md on real data, into results/ and that page"
	@echo "make encoders             pretrain on stores/ptb-xl and compare"
	@echo "make default              train the encoder of preset beatssl on, and bundle it"
	@echo "make labels               fine-tune the bundled encoder with all, 10 % and 1 % of the labels, and train from scratch"
	@echo "make statements           train the bundled classifier of PTB-XL's statements and superclasses"
	@echo "make scorecard            the bundled encoder on every task of the validation folds; FOLDS=test: of the test folds"
	@echo "make segmenter DATA=DIR   train, measure and bundle the segmenter; hours"
	@echo "make shift DATA=DIR       what the bundled classifier loses on other databases, and why; half an hour"
	@echo "make study                run the package's study: variants at the small budget, then the finalists; hours"
	@echo "make format  format the code"
	@echo "make clean   remove .venv, caches and the demo"

demo: $(BIN)/.installed
	$(BIN)/beatssl demo --out demo

# Every figure of docs/results.md. DATA holds ptb-xl, ludb, qtdb, mitdb, incartdb, cinc2011 and
# cinc2017 as PhysioNet publishes them, cpsc2019 (folders data and ref), and clinical files that hold their machines' measurements.
DATA ?= data
SEGMENT := $(BIN)/beatssl segment stores/ludb200 --updates 400
COTRAINED := $(BIN)/beatssl segment stores/ludb200 --encoder default --cotrain stores/ptb-xl --out runs/ludb
figures: $(BIN)/.installed-dev
	for set in ptb-xl ludb qtdb mitdb; do \
	  $(BIN)/beatssl prepare $$(echo $$set | tr -d -) $(DATA)/$$set --out stores/$$set || exit; \
	done
	$(BIN)/beatssl check stores/ludb --what peaks --out results/ludb --overwrite
	$(BIN)/beatssl check stores/ludb --what fiducials --out results/ludb --overwrite
	$(BIN)/beatssl check stores/qtdb --what fiducials --out results/qtdb --overwrite
	$(BIN)/beatssl check stores/mitdb --what peaks --out results/mitdb --overwrite
	$(BIN)/beatssl check $(DATA) --what peak-detectors --out results/r-peaks --overwrite
	$(BIN)/beatssl check stores/mitdb --what beat-classes --out results/mitdb --overwrite
	$(BIN)/beatssl prepare incartdb $(DATA)/incartdb --out stores/incartdb
	$(BIN)/beatssl check stores/incartdb --what beat-classes --out results/incartdb --overwrite
	$(BIN)/beatssl check stores/mitdb --what beat-embeddings --out results/mitdb --overwrite
	$(MAKE) segmenter
	$(BIN)/beatssl prepare qtdb $(DATA)/qtdb --out stores/qtdb200 --fs-hz 200 --high-hz 80
	$(BIN)/beatssl check stores/qtdb200 --what marked-points --segmenter runs/ludb --out results/qtdb --overwrite
	$(BIN)/beatssl check stores/ptb-xl --what wave-presence --segmenter runs/ludb --out results/ptb-xl --overwrite
	$(SEGMENT) --encoder default --out runs/ludb-pretrained
	$(SEGMENT) --encoder random --out runs/ludb-random
	$(SEGMENT) --encoder random --train all --out runs/ludb-scratch
	$(SEGMENT) --encoder default --label-share 0.25 --out runs/ludb-quarter
	$(SEGMENT) --encoder default --label-share 0.0625 --out runs/ludb-sixteenth
	for run in ludb ludb-pretrained ludb-random ludb-scratch ludb-quarter ludb-sixteenth; do \
	  folder=results/ludb/segment$${run#ludb}; mkdir -p $$folder && cp runs/$$run/metrics.json $$folder/ || exit; \
	done
	$(BIN)/beatssl check stores/ludb --what delineation --source $(DATA)/ludb --out results/ludb --overwrite
	$(BIN)/beatssl check stores/ptb-xl --what features --out results/ptb-xl --overwrite
	$(BIN)/beatssl check stores/ptb-xl --what electrodes --out results/ptb-xl --overwrite
	$(BIN)/beatssl check stores/ptb-xl --what encoded-features --out results/ptb-xl --overwrite
	$(BIN)/beatssl bench analyze --out results/bench-analyze.json --overwrite
	$(BIN)/beatssl check stores/ptb-xl --what rhythm --out results/ptb-xl --overwrite
	$(BIN)/beatssl check stores/ptb-xl --what stated-p --out results/ptb-xl --overwrite
	$(BIN)/beatssl check $(DATA)/mitdb --what rhythm-annotations --out results/mitdb --overwrite
	$(BIN)/beatssl check $(DATA)/cinc2017 --what single-lead-rhythm --out results/cinc2017 --overwrite
	$(BIN)/beatssl check $(DATA)/cinc2011 --what acceptability --out results/cinc2011 --overwrite
	$(BIN)/beatssl check $(DATA)/clinical --what devices --out results/clinical --overwrite
	$(BIN)/beatssl bench fuzz --out results/bench-fuzz.json --overwrite
	$(BIN)/beatssl bench prepare $(DATA)/ptb-xl --out results/bench-prepare.json --overwrite
	$(BIN)/beatssl bench step stores/ptb-xl --out results/bench-step.json --overwrite
	$(BIN)/beatssl bench methods stores/ptb-xl --out results/bench-methods.json --overwrite
	$(BIN)/beatssl bench encoders --out results/bench-encoders.json --overwrite
	$(BIN)/beatssl tables results

# The bundled segmenter: its figures over five folds, the constants of P, the mean of the folds' networks, its card, and
# the model of rhythms, which sees its P; some hours on two cores. A step that was stopped goes on.
segmenter: $(BIN)/.installed-dev
	$(BIN)/beatssl prepare ptbxl $(DATA)/ptb-xl --out stores/ptb-xl
	$(BIN)/beatssl prepare ludb $(DATA)/ludb --out stores/ludb200 --fs-hz 200 --high-hz 80
	$(COTRAINED)
	$(BIN)/python -m beatssl.release.fit_presence runs/ludb --marked stores/ludb200 --unmarked stores/ptb-xl
	$(COTRAINED) --final
	$(BIN)/python -m beatssl.release.head runs/ludb --store stores/ludb200
	$(BIN)/python -m beatssl.release.fit_rhythms stores/ptb-xl --kept runs/rhythms

# The encoders that are compared, each on 770 hours of PTB-XL, folds 1-8; about an hour and a half on two cores.
PRETRAIN := $(BIN)/beatssl pretrain stores/ptb-xl --folds 1-8 --precision bfloat16
encoders: $(BIN)/.installed-dev
	$(PRETRAIN) --preset beatssl --epochs 26 --out runs/beatssl
	$(PRETRAIN) --preset regression --epochs 16 --out runs/regression
	$(PRETRAIN) --preset simclr --epochs 8 --batch-size 128 --out runs/simclr
	$(BIN)/beatssl compare stores/ptb-xl --encoders runs/beatssl runs/regression runs/simclr random \
	  --predictions runs/predictions --out results/ptb-xl/encoders --overwrite
	$(BIN)/beatssl compare stores/ptb-xl --encoders runs/beatssl runs/regression runs/simclr random \
	  --shown-leads II --out results/ptb-xl/encoders-lead-II --overwrite

# The bundled encoder: the one of preset beatssl above, trained on for records with few leads and for single beats, in two
# stages at falling rates; about three quarters of an hour on one core.
ANY_LEADS := views.lead_mask=1 views.lead_mask_share=1
UNLIKE := objective.beat_differences=true objective.beat_draw=unlike
default: $(BIN)/.installed-dev
	$(PRETRAIN) --preset beatssl --init runs/beatssl --epochs 20 --rate 2e-3 --out runs/few-leads \
	  --set $(ANY_LEADS) views.share=0.6 objective.beat.weight=0.5 objective.beat_regression=0.5
	$(PRETRAIN) --preset beatssl --init runs/few-leads --epochs 8 --rate 1e-3 --seed 1 --out runs/default \
	  --set $(ANY_LEADS) $(UNLIKE) views.share=0.4 objective.beat.weight=0.1 objective.beat_regression=0.3 window_share=0.7
	$(BIN)/beatssl compare stores/ptb-xl --encoders runs/default runs/beatssl random --out results/ptb-xl/default --overwrite
	$(BIN)/python -m beatssl.release.encoder runs/default --name default --store stores/ptb-xl --comparison results/ptb-xl/default

# The bundled encoder fine-tuned with all labels and with shares of them (drawn five times each), and the same network trained
# from scratch; about an hour on two cores.
FINETUNE := $(BIN)/beatssl finetune stores/ptb-xl --epochs 6
SCRATCH := $(FINETUNE) --encoder random --encoder-rate 1 --init fresh --least-updates 300
LABELS := $(BIN)/beatssl compare stores/ptb-xl
labels: $(BIN)/.installed-dev
	$(FINETUNE) --views.lead-mask 0.4 --views.share 0.4 --out runs/labels-1/finetuned
	$(LABELS) --names finetuned probe --encoders runs/labels-1/finetuned default --out results/ptb-xl/labels-1 --overwrite
	for share in 0.1 0.01; do \
	  $(FINETUNE) --label-share $$share --least-updates 100 --out runs/labels-$$share/finetuned || exit; \
	  $(SCRATCH) --label-share $$share --out runs/labels-$$share/scratch || exit; \
	  $(LABELS) --names finetuned scratch probe --encoders runs/labels-$$share/finetuned runs/labels-$$share/scratch default \
	    --label-share $$share --out results/ptb-xl/labels-$$share --overwrite || exit; \
	done
	$(LABELS) --encoders default random --labels subclass --out results/ptb-xl/subclass --overwrite

# The bundled classifier: superclasses, all statements and subclasses by a head on the frozen encoder's embedding and the
# measured features; about half an hour on one core, most of it to measure records with fewer leads.
statements: $(BIN)/.installed-dev
	$(BIN)/beatssl finetune stores/ptb-xl --labels superclass+all+subclass --train head --head mlp --hidden 512 --init fresh \
	  --features --trees NORM MI STTC CD HYP --lead-sets I,II I,II,V2 II I --epochs 20 --batch-size 256 --rate 1e-3 --weight-decay 0.01 \
	  --precision float32 --out runs/statements
	mkdir -p results/ptb-xl/statements && cp runs/statements/metrics.json results/ptb-xl/statements/
	$(BIN)/python -m beatssl.release.head runs/statements --store stores/ptb-xl
	$(BIN)/python -m beatssl.release.fit_rhythms stores/ptb-xl --kept runs/rhythms

# The bundled encoder, the same network untrained and the measured features on every task, frozen; about half an hour on one core.
# The validation folds are for choosing; FOLDS=test scores the test folds, once, for what was chosen.
FOLDS ?= validation
scorecard: $(BIN)/.installed-dev
	$(BIN)/beatssl scorecard default random features --stores stores --out runs/scorecard-$(FOLDS) \
	  $(if $(filter test,$(FOLDS)),--test)
	mkdir -p results/scorecard && cp runs/scorecard-$(FOLDS)/scorecard.json results/scorecard/$(FOLDS).json
	$(BIN)/beatssl tables results

# What the bundled classifier loses on other databases, one property of their recordings at a time.
shift: $(BIN)/.installed-dev
	$(BIN)/beatssl shift stores --source $(DATA)/ptb-xl --records 600 --out runs/shift
	mkdir -p results/shift && cp runs/shift/shift.json results/shift/
	$(BIN)/beatssl tables results

# The study of docs/study.md: every group at the small budget, then the finalists at the full one, both resumable.
STUDY := $(BIN)/beatssl study default --out runs/study
study: $(BIN)/.installed-dev
	$(STUDY)
	$(STUDY) --budget full
	mkdir -p results/study && cp runs/study/study.json runs/study/study.csv results/study/
	$(BIN)/beatssl draw runs/study
	$(BIN)/beatssl tables results

# The order matters: the quickest check fails first, and pytest's closing line comes last.
test:
	@$(MAKE) --no-print-directory --jobs 3 $(BIN)/.installed-dev browser data
	@$(MAKE) --no-print-directory lint imports types
	@$(MAKE) --no-print-directory pytest

lint: $(BIN)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.installed-dev
	$(BIN)/pyrefly check

imports: $(BIN)/.installed-dev
	$(BIN)/lint-imports

pytest: $(BIN)/.installed-dev browser
	$(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist worksteal $(PYTEST_ARGS)

# The browser that tests of pages drive. Who is not root, or has no apt-get, goes on without it: those tests are skipped.
browser:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
	  && apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends \
	  chromium fonts-dejavu-core >/dev/null; } || echo "No chromium: tests that need a browser are skipped."

# Real data for the tests, decoded while the packages are installed.
data: $(BIN)/.numpy
	@$(BIN)/python tests/real_data.py

format: $(BIN)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv demo screenshots .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python {sys.version.split()[0]} is too old; name 3.11 or later with: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

# First what the rest is installed with, and what real data is restored with meanwhile.
$(BIN)/.numpy: constraints.txt | $(BIN)/python
	$(PIP) --upgrade pip numpy
	@touch $@

# The build backend is installed first, at its pinned version, so that the editable build fetches nothing of its own.
$(BIN)/.installed: pyproject.toml $(BIN)/.numpy
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation --editable .
	@touch $@

$(BIN)/.installed-dev: pyproject.toml $(BIN)/.numpy
	$(PIP) hatchling editables
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $(BIN)/.installed $@
