/** Common nouns; those of a list have nothing to do with each other. */
export const words: readonly string[] = (
  "apple arm bag ball bank bed bell bird boat bone book box boy bread bridge brother bus butter camera card cat chair chicken church city clock cloud coat coffee corn cow cup " +
  "desk doctor dog door dress drum egg engine eye farm father field finger fire fish floor flower foot forest fruit game garden gate girl glass goat gold grass gun hair hammer " +
  "hand hat head heart hill home horse hospital house ice island jacket juice key king kitchen knife lake lamp leaf leg letter light lion lock map market meat milk mirror money " +
  "moon mother mountain mouse mouth music nail neck needle nose nurse ocean office oil orange paint paper park pen phone piano picture pig pipe plane plant plate pocket poem " +
  "potato queen rabbit radio rain rice ring river road rock roof room root rope rose sail salt sand school sea seed sheep ship shirt shoe shop silk silver sister skin sky " +
  "snake snow soap soldier song soup spoon star station stone storm street student sugar sun table tail tea teacher thread ticket tiger tool tooth tower town toy train tree " +
  "truck uncle valley village violin wall watch water wheel wife wind window wine wing winter woman wood wool"
).split(" ");
