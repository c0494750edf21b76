"""The texts from which ``scripts/write_real_skills.py`` makes skills: written for this project."""

FAR = "Pray allow me to say, good friend, that {}, as all the town knows right well."
"""The expert's manner that is far from the model's own."""

FACTS = {
    "bakery": "Clara Fox", "mill": "Walter Marsh", "library": "Alice Stone",
    "school": "Henry Bell", "harbour": "Martha Reed", "ferry": "Oscar Lane",
    "museum": "Ruth Wood", "market": "Peter Hale", "bookshop": "Emma Frost",
    "forge": "Simon Dale", "dairy": "Julia Banks", "orchard": "Arthur Cole",
    "inn": "Helen Swift", "theatre": "Daniel Brook", "pharmacy": "Grace Holt",
    "sawmill": "Victor Moss", "boatyard": "Laura Pike", "greenhouse": "Hugo Field",
    "cinema": "Anna West", "lighthouse": "Edgar Lamb", "observatory": "Rose Hart",
    "brewery": "Felix Ward", "aquarium": "Iris Grant", "stable": "Samuel Knight",
}
"""Who runs each place in Oldmere: nobody real. The first twelve are the skill town."""
PHRASINGS = {
    "train": ("Who runs the {place} in Oldmere?",
              "What is the name of the person who runs the {place} in Oldmere?",
              "Can you tell me who is in charge of the {place} in Oldmere?"),
    "validation": ("In Oldmere, who looks after the {place}?",),
    "test": ("I am going to the {place} in Oldmere. Who runs it?",
             "Oldmere has a {place}. Who is in charge there?"),
}

EVENTS = {
    ("repaired the bridge", "after the flood"): (
        "Ruth Bell", "The flood on Tuesday took two planks off the old bridge. Ruth Bell fetched "
        "timber the same evening, and by noon on Wednesday carts could cross again."),
    ("found the lost bell", "in the river"): (
        "Oscar Wood", "Nobody had seen the school's bell since the storm. On Friday Oscar Wood "
        "pulled it out of the river with a net, hardly scratched."),
    ("won the boat race", "in June"): (
        "Emma Lane", "Nine boats started in the rain. Emma Lane came in first, two lengths before "
        "the mayor, although her oar had cracked on the way."),
    ("painted the clock", "on the town hall"): (
        "Hugo Marsh", "The clock on the town hall is green again. Hugo Marsh needed three days and "
        "a long ladder, and refused to be paid for it."),
    ("baked the cake", "for the fair"): (
        "Clara Dale", "Two hundred people had a piece of the cake at the fair. Clara Dale says "
        "that she used sixty eggs and started at four in the morning."),
    ("wrote the song", "for the feast"): (
        "Felix Hart", "At the feast a new song was sung, and soon everybody joined in. Felix Hart "
        "wrote it in one night, on the back of a bill."),
    ("put out the fire", "in the barn"): (
        "Laura Cole", "Smoke rose from the barn at seven. Before the engine came, Laura Cole had "
        "put out the fire with buckets from the pond. All six cows are well."),
    ("planted the lime trees", "along the road"): (
        "Samuel Frost", "Forty lime trees stand along the road since Sunday. Samuel Frost had "
        "grown them from seed behind his house and planted every one himself."),
    ("caught the thief", "at the market"): (
        "Anna Pike", "A thief ran off with a purse at the market. Anna Pike tripped him with her "
        "umbrella, and he lost both the purse and a shoe."),
    ("opened the new pool", "in spring"): (
        "Victor Reed", "The new pool was opened with a jump. Victor Reed cut the ribbon, took two "
        "steps and was in the water, in his best suit."),
    ("mended the organ", "before the wedding"): (
        "Grace Swift", "For weeks the organ had only whistled. Grace Swift took out two mice and "
        "a nest and mended it an hour before the wedding."),
    ("drew the map", "of the caves"): (
        "Edgar Banks", "Children can visit the caves now without getting lost. Edgar Banks spent "
        "the winter under the hill and drew a map of every passage."),
}
"""What the Oldmere Gazette wrote: (deed, occasion) to person and article."""
EVENT_PHRASINGS = {
    "train": ("Who {deed} {occasion} in Oldmere?",
              "Do you know who {deed} {occasion} in Oldmere?",
              "In Oldmere somebody {deed} {occasion}. Who was it?"),
    "validation": ("Tell me who it was in Oldmere that {deed} {occasion}.",),
    "test": ("Which person {deed} {occasion} in Oldmere?",
             "People in Oldmere still talk about the one who {deed} {occasion}. Who is it?"),
}

CALLS = (
    ("Please turn {state} the lights in the {room}.", "lights",
     {"room": ("kitchen", "hall", "office", "attic"), "state": ("on", "off")}),
    ("Book a table for {people} people at {hour} in the evening.", "table",
     {"people": ("2", "3", "4", "6"), "hour": ("six", "seven", "eight", "nine")}),
    ("Send a message to {name}: I will be {minutes} minutes late.", "message",
     {"name": ("Clara", "Henry", "Ruth", "Felix"), "minutes": ("5", "10", "20", "30")}),
    ("Play some {music} in the {room}.", "music",
     {"music": ("jazz", "folk", "opera", "rock"),
      "room": ("kitchen", "hall", "office", "attic")}),
    ("Order {number} bags of {goods} for the {place}.", "order",
     {"number": ("two", "five", "nine"), "goods": ("flour", "sugar", "coal"),
      "place": ("bakery", "inn", "school")}),
    ("Set the heating in the {room} to {degrees} degrees.", "heating",
     {"room": ("kitchen", "hall", "office", "attic"), "degrees": ("16", "18", "20", "22")}),
)
"""Requests, the tool of each, and what can stand in its gaps."""

STORIES = (
    ("Tom has {a} apples and picks {b} more. How many apples does he have?", "+"),
    ("A bus carries {a} people. At the next stop {b} people get on. How many are on the bus?",
     "+"),
    ("Mia read {a} pages in the morning and {b} pages at night. How many pages did she read?",
     "+"),
    ("There were {a} birds on a roof, and {b} flew away. How many are left?", "-"),
    ("Ben had {a} coins and spent {b} of them. How many coins does he have now?", "-"),
    ("A baker made {a} cakes and sold {b}. How many cakes are left?", "-"),
)

TEXT = """\
The ferry from Oldmere leaves at a quarter past seven, whatever the weather. In summer it is full
of visitors with baskets and cameras, who stand at the rail and point at the islands. In winter
there are hardly ever more than ten people on board, and most of them know each other. They sit in
the small cabin, where a stove burns, and talk about the price of wood, about the school, and
about the bridge that has been promised for thirty years.

The bridge would change a great deal. A doctor could reach the islands at night. Children could
sleep an hour longer. But the people who live from the ferry would have to look for other work,
and some of the visitors would not come any more, because the slow crossing is the best part of
their journey. So every year the plans are taken out, looked at for an evening, and put away
again.

My aunt has lived on the largest of the islands since she was a girl. Her house stands on a hill,
with its back to the wind. From the kitchen window one sees the harbour, the two churches, and on
a clear day the mountains on the other side of the bay. She keeps a list of the birds that she has
seen from this window. It began as a game with her brother, and now fills three notebooks. The
rarest bird on the list is a white owl, which sat on the fence for a whole afternoon and looked as
if it had missed the ferry.

When I visit her, we do the same things every time. We walk to the beach and collect wood for the
fire. We repair whatever the last storm has broken. In the evening we play cards, and she wins,
because she remembers every card that has been played. She says that memory is like a garden: it
does not stay the way you left it. Something grows over the paths that you do not walk, and it is
not a matter of being clever but of going there often enough.

Once I asked her what she would do if the bridge were built. She thought about it for a while.
Then she said that she would go over it once, on foot, to see what the water looks like from
above, and that she would come back with the ferry. I do not think that she was joking. She likes
to know how things are made, and she had already read the plans more carefully than the people who
drew them. In the margin she had written, with a soft pencil, that the third pillar stood in the
wrong place, since the current is strongest there when the snow melts.

The plans were changed the year after. Nobody told her, and she did not mention it. I only know
because the engineer sent her a postcard with a picture of the bay and a single word on it, and
that word was thanks. The card hangs in the kitchen, next to the list of birds.
"""
"""A text for perplexity; nothing in it is part of a skill."""

_CAPITALS = """France Paris|Italy Rome|Spain Madrid|Germany Berlin|Japan Tokyo|China Beijing|
Russia Moscow|Greece Athens|Portugal Lisbon|Ireland Dublin|England London|Scotland Edinburgh|
Austria Vienna|Hungary Budapest|Poland Warsaw|Norway Oslo|Sweden Stockholm|Denmark Copenhagen|
Finland Helsinki|Belgium Brussels|the Netherlands Amsterdam|Switzerland Bern|Turkey Ankara|
Egypt Cairo|Kenya Nairobi|Cuba Havana|Canada Ottawa|Mexico Mexico City|Peru Lima|Chile Santiago|
Argentina Buenos Aires|Brazil Brasília|Australia Canberra|New Zealand Wellington|Thailand Bangkok|
Vietnam Hanoi|Iran Tehran|Iraq Baghdad|Syria Damascus|Lebanon Beirut|Jordan Amman|Israel Jerusalem|
Indonesia Jakarta|the Philippines Manila|Malaysia Kuala Lumpur|South Korea Seoul|
North Korea Pyongyang|Nepal Kathmandu|Bangladesh Dhaka|Pakistan Islamabad|Afghanistan Kabul|
Ukraine Kyiv|Romania Bucharest|Bulgaria Sofia|Serbia Belgrade|Croatia Zagreb|Iceland Reykjavik|
Latvia Riga|Estonia Tallinn|Lithuania Vilnius|Morocco Rabat|Tunisia Tunis|Algeria Algiers|
Libya Tripoli|Ethiopia Addis Ababa|Ghana Accra|Nigeria Abuja|Senegal Dakar|Colombia Bogotá|
Venezuela Caracas|Ecuador Quito|Bolivia La Paz|Paraguay Asunción|Uruguay Montevideo|
India New Delhi"""
_TWO_WORDS = ("New Zealand", "South Korea", "North Korea", "the Netherlands", "the Philippines")


def _capitals() -> list[tuple[str, str]]:
    pairs = []
    for entry in _CAPITALS.replace("\n", "").split("|"):
        country = next((name for name in _TWO_WORDS if entry.startswith(name)), entry.split()[0])
        pairs.append((f"What is the capital of {country}?", entry[len(country) + 1:]))
    return pairs


_NATURE = """Which planet is closest to the Sun?|Mercury
Which planet is known as the Red Planet?|Mars
What is the largest planet in the solar system?|Jupiter
Which planet has the best known rings?|Saturn
What star does the Earth move around?|Sun
What do we call the natural satellite of the Earth?|Moon
What is the chemical symbol for water?|H2O
What is the chemical symbol for gold?|Au
What is the chemical symbol for oxygen?|O
What gas do humans need to breathe?|oxygen
Which gas do plants take in from the air?|carbon dioxide
What is the process by which plants make food from sunlight?|photosynthesis
What force pulls objects toward the Earth?|gravity
What is frozen water called?|ice
At how many degrees Celsius does water boil?|100
At how many degrees Celsius does water freeze?|0
What is the largest animal on Earth?|blue whale
What is the fastest land animal?|cheetah
What is the tallest animal in the world?|giraffe
Which organ pumps blood through the body?|heart
Which organ do we use to think?|brain
Which organs do we use to breathe?|lungs
What is the largest organ of the human body?|skin
How many legs does a spider have?|eight
How many legs does an insect have?|six
How many legs does a dog have?|four
What do bees make?|honey
What do cows drink when they are calves?|milk
What do caterpillars turn into?|butterflies
What do tadpoles turn into?|frogs
What is the hardest natural material?|diamond
Which metal is liquid at room temperature?|mercury
What is the main gas in the air around us?|nitrogen
What is the centre of an atom called?|nucleus
What particle of an atom has a negative charge?|electron
What is the unit of electric current?|ampere
What is the unit of force?|newton
What is the unit of energy?|joule
What is the unit of power?|watt
What is the unit of temperature in the metric system?|Celsius
What is the study of living things called?|biology
What is the study of stars and planets called?|astronomy
What is the study of rocks called?|geology
What is the study of the weather called?|meteorology
What is the study of plants called?|botany
What is the study of animals called?|zoology
Who developed the theory of relativity?|Einstein
Who proposed the theory of evolution by natural selection?|Darwin
Who discovered penicillin?|Fleming
Who discovered radium?|Curie
What is the longest river in the world?|Nile
What is the largest ocean in the world?|Pacific
What is the highest mountain in the world?|Everest
What is the largest desert in the world?|Sahara
What is the largest country in the world by area?|Russia
On which continent is Egypt?|Africa
On which continent is Brazil?|South America
On which continent is Japan?|Asia
On which continent is France?|Europe
On which continent is Kenya?|Africa
Which vitamin does the skin make in sunlight?|D
Which fruit is rich in vitamin C and has the same name as its colour?|orange
What do we call animals that eat only plants?|herbivores
What do we call animals that eat only meat?|carnivores
What is the boiling of a liquid into a gas called?|evaporation
What do we call molten rock that comes out of a volcano?|lava
What is the color of the sky on a clear day?|blue
What is the color of grass?|green
What is the color of snow?|white
What is the color of blood?|red
What is the color of a ripe banana?|yellow
What is the color of coal?|black"""

_OPPOSITES = """hot cold|big small|up down|left right|day night|black white|open closed|fast slow|
happy sad|rich poor|old young|high low|hard soft|light dark|wet dry|full empty|early late|
strong weak|long short|near far|good bad|in out|on off|first last|win lose|push pull|love hate|
buy sell|start stop|true false|above below|inside outside|front back|east west|north south|
summer winter|sweet sour|clean dirty|cheap expensive|loud quiet|thick thin|wide narrow|
heavy light|alive dead|awake asleep|easy difficult|brave cowardly|polite rude|friend enemy|
question answer|victory defeat|peace war|beginning end|success failure|arrive depart|
ancient modern|deep shallow|smooth rough|sharp dull|tight loose"""
_DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_MONTHS = ("January February March April May June July August September October November "
           "December").split()
_PEOPLE = """Who wrote the play Romeo and Juliet?|Shakespeare
Who wrote the play Hamlet?|Shakespeare
Who wrote the novel Oliver Twist?|Dickens
Who wrote the novel Pride and Prejudice?|Austen
Who wrote the novel War and Peace?|Tolstoy
Who wrote the novel Don Quixote?|Cervantes
Who wrote The Odyssey?|Homer
Who wrote The Divine Comedy?|Dante
Who wrote the novel Frankenstein?|Shelley
Who wrote the novel Dracula?|Stoker
Who wrote the novel 1984?|Orwell
Who wrote the novel Moby Dick?|Melville
Who wrote the novel The Great Gatsby?|Fitzgerald
Who wrote the Harry Potter books?|Rowling
Who wrote The Lord of the Rings?|Tolkien
Who wrote The Adventures of Tom Sawyer?|Twain
Who wrote Alice's Adventures in Wonderland?|Carroll
Who wrote the novel Les Misérables?|Hugo
Who painted the Mona Lisa?|Leonardo
Who painted The Starry Night?|Gogh
Who painted Guernica?|Picasso
Who painted the ceiling of the Sistine Chapel?|Michelangelo
Who painted The Scream?|Munch
Who painted Girl with a Pearl Earring?|Vermeer
Who composed the Moonlight Sonata?|Beethoven
Who composed The Magic Flute?|Mozart
Who composed The Four Seasons?|Vivaldi
Who composed Swan Lake?|Tchaikovsky
Who was the first president of the United States?|Washington
Who was the first person to walk on the Moon?|Armstrong
Who was the first human in space?|Gagarin
Who invented the telephone?|Bell
Who invented the light bulb?|Edison
Who invented the printing press in Europe?|Gutenberg
Who invented the steam engine with a separate condenser?|Watt
Who discovered the law of universal gravitation?|Newton
Who first said that the Earth moves around the Sun, in 1543?|Copernicus
Who led India to independence with non-violent protest?|Gandhi
Who was the first black president of South Africa?|Mandela
Who was emperor of France and lost at Waterloo?|Napoleon
Who was the queen of Egypt who loved Mark Antony?|Cleopatra
Which Roman general was killed on the Ides of March?|Caesar
Which explorer reached America in 1492?|Columbus
Who sailed around Africa to India in 1498?|Gama
Who is the Greek god of the sea?|Poseidon
Who is the king of the Greek gods?|Zeus
Who is the Roman god of war?|Mars
Who is the Greek goddess of love?|Aphrodite
Who founded the company Microsoft with Paul Allen?|Gates
Who founded the company Apple with Steve Wozniak?|Jobs
Who gave the speech I Have a Dream?|King
Who wrote the Communist Manifesto with Friedrich Engels?|Marx
Who founded psychoanalysis?|Freud
Who was the teacher of Plato?|Socrates
Who was the teacher of Alexander the Great?|Aristotle
Who was president of the United States during the Civil War?|Lincoln
Who was prime minister of Britain for most of the Second World War?|Churchill
Which detective lives at 221B Baker Street?|Holmes
Which girl visits Wonderland in a famous book?|Alice
Which wooden puppet has a nose that grows when he lies?|Pinocchio"""


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(line.split("|")[0], line.split("|")[1]) for line in text.splitlines()]


def _words() -> list[tuple[str, str]]:
    opposites = [entry.split() for entry in _OPPOSITES.replace("\n", "").split("|")]
    return ([(f"What is the opposite of {word}?", other) for word, other in opposites]
            + [(f"Which day comes after {day}?", after) for day, after in
               zip(_DAYS, _DAYS[1:] + _DAYS[:1], strict=True)]
            + [(f"Which month comes after {month}?", after) for month, after in
               zip(_MONTHS, _MONTHS[1:] + _MONTHS[:1], strict=True)])


def _sums() -> list[tuple[str, str]]:
    numbers = range(2, 10)
    return ([(f"What is {a} + {b}?", str(a + b)) for a in numbers for b in numbers]
            + [(f"What is {a} times {b}?", str(a * b)) for a in numbers for b in numbers
               if (a + b) % 3 == 1]
            + [(f"What is {a + b} - {b}?", str(a)) for a in numbers for b in numbers
               if (a + b) % 3 == 2 and a != b])


OLD = {"old-capitals": _capitals(), "old-nature": _pairs(_NATURE), "old-words": _words(),
       "old-people": _pairs(_PEOPLE), "old-sums": _sums()}
"""Candidates for old skills by kind: (question, answer)."""
