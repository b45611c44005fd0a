"""Names of famous and fictional persons, bands and brands that are no personal detail where a text merely mentions them.

Only whole names and only such as nobody else goes by: recall comes first, so `Michael Jordan` and every last name alone
stay persons. Where somebody is introduced, titled or named in a form, this list is not asked.
"""

from __future__ import annotations

PUBLIC_NAMES = frozenset(
    name.strip()
    for name in """
    albert einstein; isaac newton; nikola tesla; thomas edison; marie curie; charles darwin; galileo galilei;
    leonardo da vinci; stephen hawking; richard feynman; niels bohr; werner heisenberg; erwin schrödinger;
    alan turing; ada lovelace; john von neumann; donald knuth; linus torvalds; grace hopper; tim berners-lee;
    leonhard euler; carl friedrich gauss; bernhard riemann; david hilbert; kurt gödel; srinivasa ramanujan;
    blaise pascal; pierre de fermat; rené descartes; gottfried leibniz; henri poincaré; max planck;
    elon musk; mark zuckerberg; jeff bezos; bill gates; steve jobs; tim cook; sam altman; warren buffett;
    satya nadella; sundar pichai; jensen huang; donald trump; joe biden; barack obama; hillary clinton;
    kamala harris; george washington; abraham lincoln; thomas jefferson; franklin roosevelt; john f kennedy;
    ronald reagan; richard nixon; winston churchill; margaret thatcher; boris johnson; angela merkel;
    olaf scholz; emmanuel macron; vladimir putin; volodymyr zelensky; volodymyr zelenskyy; xi jinping;
    narendra modi; mahatma gandhi; nelson mandela; martin luther king; rosa parks; malcolm x; fidel castro;
    che guevara; adolf hitler; joseph stalin; vladimir lenin; karl marx; friedrich engels; mao zedong;
    benito mussolini; francisco franco; napoleon bonaparte; julius caesar; mark antony; alexander the great;
    genghis khan; marco polo; christopher columbus; joan of arc; king arthur; otto von bismarck;
    william shakespeare; jane austen; charles dickens; mark twain; ernest hemingway; virginia woolf;
    george orwell; oscar wilde; edgar allan poe; stephen king; agatha christie; j k rowling; j.k. rowling;
    j r r tolkien; george r r martin; george r.r. martin; isaac asimov; arthur c clarke; philip k dick; h p lovecraft;
    franz kafka; thomas mann; hermann hesse; johann wolfgang von goethe; friedrich schiller; bertolt brecht;
    friedrich nietzsche; immanuel kant; arthur schopenhauer; ludwig wittgenstein; martin heidegger;
    victor hugo; albert camus; jean-paul sartre; marcel proust; gustave flaubert; jules verne; michel foucault;
    simone de beauvoir; miguel de cervantes; gabriel garcía márquez; jorge luis borges; pablo neruda;
    dante alighieri; umberto eco; leo tolstoy; fyodor dostoevsky; anton chekhov; haruki murakami;
    adam smith; john maynard keynes; milton friedman; friedrich hayek; sigmund freud; carl jung;
    vincent van gogh; pablo picasso; claude monet; salvador dalí; frida kahlo; andy warhol;
    wolfgang amadeus mozart; ludwig van beethoven; johann sebastian bach; frédéric chopin; richard wagner;
    elvis presley; michael jackson; freddie mercury; john lennon; paul mccartney; bob dylan; bob marley;
    david bowie; jimi hendrix; kurt cobain; frank zappa; taylor swift; justin bieber; lady gaga; katy perry;
    billie eilish; ariana grande; kanye west; snoop dogg; eminem; pink floyd; led zeppelin; iron maiden;
    lynyrd skynyrd; jethro tull; walt disney; steven spielberg; quentin tarantino; christopher nolan;
    alfred hitchcock; stanley kubrick; martin scorsese; charlie chaplin; marilyn monroe; tom hanks; brad pitt;
    leonardo dicaprio; tom cruise; johnny depp; keanu reeves; angelina jolie; oprah winfrey; kim kardashian;
    lionel messi; cristiano ronaldo; lebron james; roger federer; rafael nadal; serena williams; usain bolt;
    muhammad ali; neil armstrong; buzz aldrin; yuri gagarin; amelia earhart; anne frank;
    harry potter; hermione granger; ron weasley; albus dumbledore; severus snape; lord voldemort; frodo baggins;
    bilbo baggins; samwise gamgee; luke skywalker; darth vader; han solo; obi-wan kenobi; princess leia;
    sherlock holmes; dr watson; james bond; indiana jones; peter pan; robin hood; bruce wayne; clark kent;
    peter parker; tony stark; steve rogers; jon snow; daenerys targaryen; tyrion lannister; walter white;
    jesse pinkman; michael scott; rick sanchez; homer simpson; bart simpson; mickey mouse; donald duck;
    bugs bunny; scooby doo; winnie the pooh; santa claus; alice in wonderland; don quixote; jay gatsby;
    daisy buchanan; tom sawyer; huckleberry finn; romeo montague; elizabeth bennet; atticus finch; holden caulfield;
    katniss everdeen; percy jackson; jack sparrow; lara croft; naruto uzumaki; monkey d luffy; ash ketchum;
    golden retriever; monte carlo; john doe; jane doe; louis vuitton; hugo boss; ralph lauren; calvin klein;
    mercedes benz; jack daniel; ben jerry; johnson johnson; saint nicholas; virgin mary; pontius pilate
    """.replace("\n", " ").split(";")
)
PUBLIC_FIRST_WORDS = frozenset(name.split(" ")[0] for name in PUBLIC_NAMES)
