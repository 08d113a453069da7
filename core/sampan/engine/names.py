"""Give containers their ids and names."""

from __future__ import annotations

import os
from collections.abc import Callable

from sampan.errors import AlreadyExists, InvalidInput

ADJECTIVES = """
able agile alert amber ample apt arctic astute balmy blithe bold bonny brave breezy bright brisk calm candid careful
cheery civil clear clever cordial cosmic crisp curious daring deft dewy diligent eager earnest easy elated epic
exact fabled fair famed fearless fine fleet fond frank free fresh gallant gentle gifted glad golden good grand happy
hardy hearty honest humble ideal jolly jovial just keen kind lively loyal lucid lucky mellow merry mighty mild
modest neat nimble noble patient placid plucky poised polite prime proud quick quiet rapid ready robust rosy sage
serene sharp silver sincere smart snug spry stable steady stellar sunny swift tender thrifty tidy tranquil trusty
upbeat valiant vivid warm wise witty zesty
"""

SURNAMES = """
abel alfven alvarez ampere anning apgar archimedes aristarchus arrhenius avogadro babbage backus baekeland banach
banting bartik becquerel bell bernoulli berzelius bessel bethe birkhoff bohr boltzmann boole born bose boyle brahe
brahmagupta bragg braun brunel bunsen burbidge burnell cannon cantor carnot carson carver cauchy cavendish celsius
chandrasekhar chebyshev church clausius codd copernicus coriolis coulomb crick curie cuvier dalton darwin davy
dedekind descartes diesel dijkstra diophantus dirac dirichlet doppler dyson eckert eddington edison ehrlich einstein
erdos euclid euler fahrenheit faraday fermat fermi feynman fibonacci fleming foucault fourier franklin fraunhofer
frege fresnel galileo galois galvani gauss germain gibbs godel golgi goodall gutenberg haber hadamard hahn haldane
halley hamilton hamming harvey heisenberg helmholtz henry hero herschel hertz hilbert hodgkin hooke hopper hubble
humboldt hutton huygens hypatia jacobi jenner johnson joliot joule kalman kelvin kepler khayyam kirchhoff knuth koch
kolmogorov kovalevskaya kuiper lagrange lamarr landau laplace lavoisier lawrence leavitt leeuwenhoek legendre
leibniz liebig linnaeus lister lorentz lorenz lovelace lyell mach malpighi marconi maxwell mccarthy mcclintock
meitner mendel mendeleev mercator michelson millikan minkowski mirzakhani moivre monge morse napier nash nernst
newton nobel noether ohm oppenheimer ostrom ostwald pascal pasteur pauli pauling pavlov payne peano planck poincare
poisson ptolemy pythagoras raman ramanujan rayleigh riemann ritchie roentgen rontgen rubin rutherford sagan salk
sanger schrodinger shannon siemens snell somerville stokes swan szilard tarski tesla thales torricelli turing volta
wallace watt weber wegener wiener wiles wilson wu yalow yukawa zeeman zuse
"""

_TRIES = 64


def container_id() -> str:
    """Return a new id: 64 hexadecimal digits whose first twelve are not all decimal.

    A short id of digits alone would become a number in a host name's or a script's hands.
    """
    while True:
        text = os.urandom(32).hex()
        if not text[:12].isdecimal():
            return text


def generate(taken: Callable[[str], bool]) -> str:
    """Return a name nobody has: an adjective and a scientist's name, with a digit after it when need be.

    Raises AlreadyExists when not even names with digits are free.
    """
    adjectives, surnames = ADJECTIVES.split(), SURNAMES.split()
    for attempt in range(_TRIES):
        name = f"{_pick(adjectives)}_{_pick(surnames)}"
        if attempt:
            name += str(os.urandom(1)[0] % 10)
        if not taken(name):
            return name
    raise AlreadyExists("no free container name was found", "choose one with --name")


def check_name(name: str) -> str:
    """Return the name, without the slash Docker lets it begin with. Raises InvalidInput on any other."""
    bare = name.removeprefix("/")
    if len(bare) >= 2 and bare[0] in _FIRST and _REST.issuperset(bare):
        return bare
    raise InvalidInput(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")


_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
_REST = _FIRST | frozenset("_.-")


def _pick(words: list[str]) -> str:
    # 16 random bits over some hundred words: the bias is far below what anyone could see.
    return words[int.from_bytes(os.urandom(2), "big") % len(words)]
