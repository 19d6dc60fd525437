/**
 * Words that people build keys and passwords from, lower case, three letters and more: the vocabulary of deployments and
 * accounts, favourites among passwords, calendar, names, and everyday English. It serves the estimate of `entropy.ts` and
 * nothing else. A word that is missing costs little, since unknown words are still recognised as language.
 */

const deployments = `
  access account acme admin agent alert alpha analytics android apache api app application archive asset async audit auth
  aws azure backend backup bank batch beta billing bot bucket build cache callback canary cart catalog cdn channel chat
  check checkout client cloud cluster code common company config console consumer content control core corp cron crypto
  customer daemon dashboard data database datacenter dev develop developer device docker docs domain dummy dynamo east edge
  elastic email endpoint engine enterprise env environment error event example external feature feed file finance firebase
  fixture flow front frontend gate gateway github gitlab global google grafana graph guest hash health home hook host hub
  identity image import index infra ingest input inside instance integration internal inventory invoice ios item job
  jenkins kafka key keys kube kubernetes lambda legacy level library license link linux list live load local localhost log
  logger login mail main manager map market master media member message meta metric micro mobile mock mongo monitor mysql
  name net network new nginx node notify oauth office old online operator order orders org output owner page panel partner
  pass password pay payment paypal pipeline plan platform plugin point policy pool portal post postgres preview private
  prod product production profile project proxy public push queue rabbit react read redis region release remote report
  request reseller resource rest role root route router runner sales sample sandbox scan schema scope search secret secure
  security server service session shared shop signing site slack social source south spring stage staging standard start
  stat state static status storage store stream stripe super support switch sync system table task team temp tenant test
  testing third token tool trace track train trial trigger twilio type uat update upload user username users vault vendor
  verify version video view vpc warehouse web webhook webapp website west white widget wiki windows worker workspace write
  zone`

const passwords = `
  abc account ace angel asdf ashley bailey baseball batman blink buster changeme charlie cheese chelsea computer cookie
  corvette daniel default diamond donald dragon flower football freedom george ginger hannah harley hello hockey
  hunter iloveyou jennifer jessica jordan joshua killer letmein liverpool love lovely maggie matrix matthew michael michelle
  monkey mustang nicole pepper pokemon princess qwerty qwertz ranger robert samsung secret shadow silver soccer starwars
  sunshine superman taylor thomas tigger trustno welcome whatever william yankees zaq`

const calendar = `
  january february march april may june july august september october november december jan feb mar apr jun jul aug sep
  oct nov dec monday tuesday wednesday thursday friday saturday sunday mon tue wed thu fri sat sun spring summer autumn
  fall winter today year month week day hour minute second time date first last next`

const english = `
  about after again all also always and animal another any apple around ask away back bad ball bear because been before
  best better big bird black blue book box boy bridge bring brown but call came can car cat change city cold come correct
  could country cross dark did does dog done door down earth eat end every eye fair far fast father feel few fire fish five
  food for forest found four fox from full garden gave get girl give goes gold good great green hand happy hard has have
  head heart her here high him his horse hot house how island just keep kind king know lake land large late lazy learn
  leave left let life light like line lion little long look made make many mean men money moon more morning most mother
  mountain move much must near need never night north not now number ocean off one only open other our out over own paper
  part peace people picture place play please quick rain red right river road rock room run sad said same say school sea
  see sell send set seven she ship shoe short should show six sky small snow some song soon star staple still stone stop
  storm story street strong such sun sure sweet take tell ten than that the their them then there these they thing think
  this those three tiger too tree true turn two under upon use very walk want war warm was water way well were what wheel
  when where which while who why wild will wind wine with wolf wood word work world would yellow yes yet you young your`

export const commonWords: ReadonlySet<string> = new Set(
  [deployments, passwords, calendar, english]
    .flatMap((group) => group.trim().split(/\s+/))
    .filter((word) => word.length > 2),
)
